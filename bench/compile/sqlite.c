/* A program around the library, so that the linker keeps it. It has no files: sqlite3_open fails. */
#include <stdio.h>

#include "sqlite3.h"

int sqlite3_os_init(void)
{
    return SQLITE_OK;
}

int sqlite3_os_end(void)
{
    return SQLITE_OK;
}

int main(void)
{
    sqlite3 *database;
    char *error = NULL;
    if (sqlite3_open(":memory:", &database))
        return 1;
    return sqlite3_exec(database, "create table t(a); insert into t values(1); select sum(a) from t", NULL, NULL,
                        &error);
}
