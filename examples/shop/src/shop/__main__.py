"""`python -m shop`."""

from shop.server import main

if __name__ == "__main__":
    main()
