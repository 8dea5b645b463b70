/* The net server: TCP/IP for programs, by lwIP. docs/network.md. */
#include "lwip/dhcp.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"
#include "net.h"
#include "proto/service.h"
#include "tessera/clock.h"
#include "tessera/heap.h"
#include "tessera/invoke.h"
#include "tessera/random.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define CONFIGURATION_MS 5000u /* clients wait so long for an address */
#define LOOPBACK_ROUNDS  64

const struct start_page *net_page;
unsigned char *net_heap;

uint32_t net_ask(struct message *m, uint64_t operation, unsigned length)
{
    m->info = message_info(operation, 0, length);
    return syscall_call(PROCESS_CAP_SERVER, m) != ERROR_NONE ? NET_ENOSYS : (uint32_t)message_info_label(m->info);
}

/* ---- what lwIP asks for -------------------------------------------------------------------------------------- */

static u32_t now_ms; /* what lwIP sees: read once for each event */

static void now_read(void)
{
    now_ms = (u32_t)(clock_ns(clock_ticks() - net_page->boot_ticks, net_page->timer_multiplier, net_page->timer_shift) /
                     1000000);
}

u32_t sys_now(void)
{
    return now_ms;
}

uint32_t net_random(void)
{
    static struct random random;
    static uint32_t values[8], left; /* the generator makes so many at a time */
    if (!random.is_seeded && (net_page->flags & START_SEED_VALID))
        random_seed(&random, net_page->seed);
    if (left == 0 && random_bytes(&random, values, sizeof(values)))
        left = sizeof(values) / sizeof(values[0]);
    if (left == 0) /* no entropy on this machine: numbers can be guessed */
        return (uint32_t)(clock_ticks() * 0x9e3779b97f4a7c15ul >> 32);
    return values[--left];
}

_Noreturn void net_assertion_failed(const char *text)
{
    log_text("net: lwIP: %s\n", text);
    __builtin_trap(); /* the next one begins anew; clients see their connections reset */
}

/* ---- the loop ------------------------------------------------------------------------------------------------ */

static bool is_loopback_waiting(void)
{
    for (const struct netif *netif = netif_list; netif; netif = netif->next)
        if (netif->loop_first)
            return true;
    return false;
}

/* What came of the event: sockets go on, which may send; what the loopback interface holds is delivered, which may
 * bring about more. What is left after so many rounds comes with the timer. */
static void work_finish(void)
{
    for (uint32_t round = 0; round < LOOPBACK_ROUNDS; round++) {
        output_resume();
        sockets_settle();
        if (!is_loopback_waiting())
            return;
        netif_poll_all();
    }
}

static uint64_t timer_ticks; /* when it comes; 0: it is not set */

/* The timer for what comes next. One that comes earlier is left as it is, and so is one that lwIP gets a little later.
 */
static void timer_follow(void)
{
    u32_t sleep_ms = is_loopback_waiting() || output_is_due() ? 0 : sys_timeouts_sleeptime();
    uint64_t now = clock_ticks(), due = sockets_relaxed_until(), ms = clock_ticks_of(1000000, net_page->timer_hz);
    if (time_waiting_until() && (due == 0 || time_waiting_until() < due))
        due = time_waiting_until();
    uint64_t due_lwip = sleep_ms == 0 ? now + ms / 1000 : now + sleep_ms * ms;
    if (sleep_ms != SYS_TIMEOUTS_SLEEPTIME_INFINITE && (due == 0 || due_lwip < due))
        due =
            timer_ticks && timer_ticks >= due_lwip && timer_ticks <= due_lwip + ms && sleep_ms ? timer_ticks : due_lwip;
    if (due == 0 || (timer_ticks && timer_ticks <= due))
        return;
    timer_ticks = due;
    (void)timer_set(PROCESS_CAP_TIMER, due);
}

/* After each event: time, loopback, signals. */
static void settle(void)
{
    now_read();
    sys_check_timeouts();
    if (sockets_relaxed_until() && clock_ticks() >= sockets_relaxed_until())
        sockets_hurry();
    if (time_comes())
        sessions_drain(PROCESS_SIGNAL_EVENT);
    work_finish();
    card_settle();
    sessions_settle();
    time_settle();
    timer_follow();
}

static void signalled(uint64_t bits)
{
    if (bits & PROCESS_SIGNAL_FINISH) {
        clients_check();
        account_check();
        program_exit(0);
    }
    if (bits & PROCESS_SIGNAL_TIMER) {
        timer_ticks = 0;
        card_recall();
    }
    if (bits & PROCESS_SIGNAL_DEVICE)
        card_poll();
    sessions_drain(bits);
    if (bits & PROCESS_SIGNAL_EVENT)
        clients_check();
}

/* Programs find the network ready, when it becomes ready at all. */
static void configuration_wait(void)
{
    settle();
    u32_t start = sys_now();
    while (!card_has_address() && sys_now() - start < CONFIGURATION_MS) {
        signalled(notification_wait(PROCESS_CAP_NOTIFICATION));
        settle();
    }
}

static void request_answer(struct message *m, uint64_t badge)
{
    struct client *client;
    uint32_t error = client_get(badge, &client);
    if (error)
        *m = (struct message){message_info(error, 0, 0), {0}};
    else
        socket_request(client, m);
}

_Noreturn static void serve(cptr endpoint, cptr reply)
{
    struct message m;
    word badge;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    for (;;) {
        if (badge >> PROCESS_SIGNAL_SESSIONS) { /* no client's badge is so large: the notification's bits */
            signalled(badge);
            settle();
            (void)syscall_recv(endpoint, reply, &m, &badge);
            continue;
        }
        request_answer(&m, badge);
        settle();
        (void)syscall_reply_recv(endpoint, reply, &m, &badge);
    }
}

/* ---- start --------------------------------------------------------------------------------------------------- */

/* lwIP's heap where there is no card: of our own memory, whose pages follow each other. */
static bool heap_open(void)
{
    if (net_heap)
        return true;
    unsigned char *last = net_heap = heap_page_take();
    for (size_t bytes = HEAP_PAGE_BYTES; net_heap && bytes < PACKET_REGION_BYTES - NET_HEAP_OFFSET;
         bytes += HEAP_PAGE_BYTES) {
        unsigned char *page = heap_page_take();
        if (page != last + HEAP_PAGE_BYTES)
            return false;
        last = page;
    }
    return net_heap != NULL;
}

int program_main(const struct start_page *start)
{
    net_page = start;
    struct message m = {0}, timer = {0};
    const char *problem = card_open();
    if (problem)
        log_text("net: no network but loopback: %s\n", problem);
    if (!heap_open() || net_ask(&timer, PROCESS_TIMER, 0)) {
        log_text("net: no memory\n");
        return 1;
    }
    lwip_init();
    clients_start();
    troubles_start();
    if (!problem) {
        card_start();
        configuration_wait();
    }
    m.words[0] = text_length(PROCESS_NET_SERVICE);
    message_put(&m, 1, PROCESS_NET_SERVICE, text_length(PROCESS_NET_SERVICE));
    if (net_ask(&m, PROCESS_SERVICE_LISTEN, PROCESS_NAME_WORDS)) {
        log_text("net: may not serve\n");
        return 1;
    }
    serve((cptr)m.words[0], (cptr)m.words[1]);
}
