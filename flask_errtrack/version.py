"""The name and version of this package, as clients and servers see them."""

NAME = "flask-errtrack"
VERSION = "0.1.0"
CLIENT = f"{NAME}/{VERSION}"
