// A job of a shop: what it tells of an order that failed.
import * as Sentry from "@sentry/node";

Sentry.init({ dsn: process.argv[2], release: "shop@1.2", environment: "test" });
Sentry.setUser({ id: "17", email: "ada@example.org" });
Sentry.setTag("shelf", "A/7 größer");
Sentry.addBreadcrumb({ category: "cart", message: "put into the cart" });
Sentry.captureMessage("The prices are old");
try {
  priceOf(undefined);
} catch (error) {
  Sentry.captureException(error);
}
let isSent = await Sentry.flush(20000);
for (let number = 0; number < Number(process.argv[3] ?? 0); number++) {
  Sentry.captureMessage(`Message ${number}`);
  isSent = (await Sentry.flush(20000)) && isSent;
}
process.exit(isSent ? 0 : 1);

function priceOf(item) {
  return item.price;
}
