/* The PCI server's protocol: the root task calls, nobody else. docs/devices.md tells who holds what.
 *
 * The PCI server owns configuration space and nothing else: it finds functions, gives their BARs addresses and switches
 * them on. The root task, which owns device memory and interrupts, makes the capabilities that the answers describe and
 * hands them to one driver. Labels of answers: enum error.
 *
 * Source: PCI Local Bus Specification 3.0, chapter 6; PCI Express Base Specification 4.0, 7.2.2 (ECAM).
 */
#ifndef PROTO_PCI_H
#define PROTO_PCI_H

#include <abi/message.h>

enum pci_operation {
    PCI_FIND = 1, /* w0 vendor, w1 device, w2 another device number that is as good, w3 n -> w0 the n-th such function
                     in the order of their addresses; ERROR_FAILED_LOOKUP: there is none */
    PCI_DESCRIBE, /* w0 function -> struct pci_description */
    PCI_ENABLE, /* w0 function, w1 MSI-X address (0: wired interrupt), w2 MSI-X data: decodes memory, masters the bus */
    PCI_DISABLE, /* w0 function: may neither interrupt nor reach memory any more */
};

/* A function's number is its place in configuration space: bus << 8 | device << 3 | function. */
#define PCI_FUNCTION_BYTES 4096u /* of configuration space each, in the order of numbers */

#define PCI_BARS 6
struct pci_description {
    struct pci_bar {
        uint64_t address, bytes; /* physical, a power of two, aligned to itself; bytes 0: no memory BAR */
    } bars[PCI_BARS];
    uint32_t pin;        /* 1 to 4: INTA to INTD; 0: has no wired interrupt */
    uint32_t msix_count; /* vectors; 0: no MSI-X, or its table shares a page with something that a driver needs */
    uint64_t msix_page;  /* physical address of the page of the table's first entry: it is not for the driver */
};
#define PCI_DESCRIPTION_WORDS (sizeof(struct pci_description) / sizeof(word))
_Static_assert(sizeof(struct pci_description) % sizeof(word) == 0, "travels as words");

/* Start page words and capabilities of the PCI server. */
enum pci_word {
    PCI_WORD_ECAM = 0,   /* where configuration space is mapped */
    PCI_WORD_ECAM_BYTES, /* of it: a megabyte for each bus */
    PCI_WORD_WINDOW,     /* physical: what BARs may be given */
    PCI_WORD_WINDOW_BYTES,
    PCI_WORD_WINDOW64,
    PCI_WORD_WINDOW64_BYTES,
    PCI_WORD_MSIX, /* where the root task maps the MSI-X table page of the function with the next PCI_ENABLE */
};
enum pci_capability { PCI_CAP_ENDPOINT = 8, PCI_CAP_REPLY };

/* ---- what every PCI driver is started with ------------------------------------------------------------------- */

/* Its own function's configuration space is mapped read-only: it finds its capabilities itself and changes nothing. */
enum driver_word {
    DRIVER_WORD_CONFIGURATION = 0,
    DRIVER_WORD_BARS,          /* six words: where each BAR is mapped, 0 = not */
    DRIVER_WORD_BAR_BYTES = 7, /* six words */
    DRIVER_WORD_DMA = 13,      /* the pool that only driver and device see ... */
    DRIVER_WORD_DMA_PHYSICAL,  /* ... and where the device finds it */
    DRIVER_WORD_DMA_BYTES,
    DRIVER_WORD_SHARED, /* the region shared with the client, which the device reaches too */
    DRIVER_WORD_SHARED_PHYSICAL,
    DRIVER_WORD_SHARED_BYTES,
    DRIVER_WORD_HAS_MSIX, /* vector 0 is the interrupt; else the wired one */
};
enum driver_capability { DRIVER_CAP_IRQ = 8, DRIVER_CAP_CLIENT_SIGNAL };
#define DRIVER_SIGNAL_IRQ    (1ul << 0)
#define DRIVER_SIGNAL_CLIENT (1ul << 1)

#endif
