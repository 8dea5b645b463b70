# SQLite as the store has it (docs/store.md): target sqlite3_source, and what to compile and with which options. For both the target's
# store and the host's tests of it.
set(SQLITE_FOLDER "${CMAKE_BINARY_DIR}/sqlite")
add_custom_command(OUTPUT "${SQLITE_FOLDER}/sqlite3.c" "${SQLITE_FOLDER}/sqlite3.h"
    COMMAND ${TESSERA_PYTHON} "${CMAKE_SOURCE_DIR}/ci/sqlite.py" "${SQLITE_FOLDER}"
    DEPENDS "${CMAKE_SOURCE_DIR}/ci/sqlite.py" "${CMAKE_SOURCE_DIR}/ci/parts.json" VERBATIM COMMENT "Making SQLite's amalgamation")
# One thread, one connection, memory from a fixed piece, temporary data in memory, no files but the VFS's.
set(SQLITE_DEFINITIONS SQLITE_OS_OTHER=1 SQLITE_THREADSAFE=0 SQLITE_ZERO_MALLOC SQLITE_ENABLE_MEMSYS5 SQLITE_TEMP_STORE=3
    SQLITE_OMIT_LOAD_EXTENSION SQLITE_OMIT_DEPRECATED SQLITE_OMIT_SHARED_CACHE SQLITE_OMIT_AUTOINIT SQLITE_OMIT_LOCALTIME
    SQLITE_OMIT_PROGRESS_CALLBACK SQLITE_OMIT_UTF16 SQLITE_UNTESTABLE SQLITE_MAX_MMAP_SIZE=0 SQLITE_DQS=0
    SQLITE_DEFAULT_MEMSTATUS=0 LONGDOUBLE_TYPE=double NDEBUG)
set(SQLITE_STORE_SOURCES store/store.c store/names.c store/node.c store/chunk.c store/transaction.c store/statement.c store/vfs.c store/memory.c
    CACHE INTERNAL "below servers/")
