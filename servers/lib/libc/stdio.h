/* SQLite and lwIP include it and, as we build them, use nothing of it. */
