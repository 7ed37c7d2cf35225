// A page of a shop: what it tells of an order that failed.
import * as Sentry from "@sentry/browser";

window.report = async (dsn) => {
  Sentry.init({ dsn, release: "shop@1.2", environment: "test" });
  Sentry.setUser({ id: "17", email: "ada@example.org" });
  Sentry.setTag("shelf", "A/7 größer");
  Sentry.addBreadcrumb({ category: "cart", message: "put into the cart" });
  Sentry.captureMessage("The prices are old");
  try {
    priceOf(undefined);
  } catch (error) {
    Sentry.captureException(error);
  }
  return Sentry.flush(20000);
};

function priceOf(item) {
  return item.price;
}
