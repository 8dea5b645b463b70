/* Output that is held back (SO_HOLD): what a program writes to such a socket leaves when the program waits next, or
 * ends. What it does in between comes first: a server that saves what it was sent at the end of its round acknowledges
 * nothing that a power cut could still take away. docs/mosquitto.md.
 *
 * The bytes lie in the stream's ring already; the peer is not shown them. A descriptor that is closed meanwhile stays
 * until they have left.
 */
#include "wasi.h"

struct descriptor *hold_first;

void hold_note(struct descriptor *descriptor)
{
    if (descriptor->is_held)
        return;
    descriptor->is_held = true;
    descriptor->next_held = hold_first;
    hold_first = descriptor;
}

bool hold_close(struct descriptor *descriptor)
{
    descriptor->is_closing = descriptor->is_held;
    return descriptor->is_held;
}

void hold_release_all(void)
{
    while (hold_first) {
        struct descriptor *descriptor = hold_first;
        bool signal = false;
        hold_first = descriptor->next_held;
        descriptor->is_held = false;
        stream_publish(&descriptor->ends, &signal);
        if (signal)
            stream_signal_written(descriptor);
        if (descriptor->is_closing)
            descriptor_close(descriptor_number(descriptor));
    }
}
