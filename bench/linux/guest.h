/* What the first programs of the Linux beside us share. */
#ifndef GUEST_H
#define GUEST_H

/* Writes out what was printed and ends the machine. */
_Noreturn void power_off(void);
/* Tells errno and ends the machine. */
_Noreturn void give_up(const char *what);
/* The result of a system call, unless that failed. */
long require(long result, const char *what);
/* Loads /module00 to /module31, as far as they are there, in this order. */
void modules_load(void);

#endif
