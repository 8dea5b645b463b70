/* SQLite includes it and, as we build it, uses nothing of it. */
