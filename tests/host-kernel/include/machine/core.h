/* Host model: nothing per core. */
#ifndef MACHINE_CORE_H
#define MACHINE_CORE_H

struct arch_core {
    word unused;
};

#endif
