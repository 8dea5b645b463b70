/* Gathers the reports of a run, prints the table and gives the verdict as its exit status. It stays connected to the
 * broker meanwhile, so that the broker does not take a pause for the end.
 *
 *     collector PUBLISHERS SUBSCRIBERS CHECKERS
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tessera.h>

#include "client.h"
#include "demos/lib/instructions.h"
#include "report.h"

enum { REPORTS_MAX = 64 };

struct row {
    uint32_t operation;
    struct report report;
};

static struct row rows[REPORTS_MAX];
static uint32_t row_count;

static bool row_is_good(const struct row *row)
{
    const struct report *report = &row->report;
    bool is_complete = report->received == report->expected && report->failures == 0;
    if (row->operation != REPORT_SUBSCRIBER)
        return is_complete;
    return is_complete && report->expected > 0 && report->lost == 0 && report->duplicated == 0 &&
           report->unexpected == 0 && report->out_of_order == 0 && report->checksum == report->expected_checksum;
}

static bool gather(uint32_t expected)
{
    uint32_t handle, len;
    uint64_t client;
    if (expected > REPORTS_MAX || tessera_service_listen(REPORT_SERVICE, strlen(REPORT_SERVICE), &handle) != 0) {
        printf("collector: cannot serve '%s'\n", REPORT_SERVICE);
        return false;
    }
    while (row_count < expected) {
        struct row *row = &rows[row_count];
        if (tessera_service_recv(handle, &row->operation, &client, &row->report, sizeof(row->report), &len) != 0)
            return false;
        bool is_report =
            len == sizeof(row->report) && row->operation >= REPORT_PUBLISHER && row->operation <= REPORT_CHECKS;
        row->report.name[sizeof(row->report.name) - 1] = '\0';
        row->report.filters[sizeof(row->report.filters) - 1] = '\0';
        row_count += is_report;
        if (tessera_service_reply(handle, is_report ? 0 : TESSERA_EINVAL, NULL, 0) != 0)
            return false;
    }
    return true;
}

static void print_subscribers(void)
{
    printf("\n%-10s %-46s %8s %9s %5s %5s %6s %6s %-5s %-16s\n", "subscriber", "filter=QoS", "messages", "bytes",
           "lost", "dupl.", "again", "wrong", "order", "checksum");
    for (uint32_t i = 0; i < row_count; i++) {
        const struct report *report = &rows[i].report;
        if (rows[i].operation != REPORT_SUBSCRIBER)
            continue;
        printf("%-10s %-46s %8" PRIu64 " %9" PRIu64 " %5" PRIu64 " %5" PRIu64 " %6" PRIu64 " %6" PRIu64
               " %-5s %016" PRIx64 " %s\n",
               report->name, report->filters, report->received, report->bytes, report->lost, report->duplicated,
               report->redelivered, report->unexpected + report->failures, report->out_of_order == 0 ? "kept" : "LOST",
               report->checksum, row_is_good(&rows[i]) ? "ok" : "FAILED");
    }
}

static void print_others(uint32_t operation, const char *title, const char *what)
{
    bool has_title = false;
    for (uint32_t i = 0; i < row_count; i++) {
        const struct report *report = &rows[i].report;
        if (rows[i].operation != operation)
            continue;
        if (!has_title)
            printf("\n%-10s\n", title);
        has_title = true;
        printf("%-10s %" PRIu64 " of %" PRIu64 " %s %s\n", report->name, report->received, report->expected, what,
               row_is_good(&rows[i]) ? "ok" : "FAILED");
    }
}

/* From the first publication to the last reception; every reception is one publisher-broker-subscriber hop. */
static void print_speed(void)
{
    uint64_t start_ns = UINT64_MAX, end_ns = 0, published = 0, hops = 0;
    for (uint32_t i = 0; i < row_count; i++) {
        const struct report *report = &rows[i].report;
        if (rows[i].operation == REPORT_PUBLISHER) {
            start_ns = report->start_ns < start_ns ? report->start_ns : start_ns;
            published += report->received;
        } else if (rows[i].operation == REPORT_SUBSCRIBER) {
            end_ns = report->end_ns > end_ns ? report->end_ns : end_ns;
            hops += report->received + report->redelivered;
        }
    }
    if (end_ns <= start_ns || hops == 0)
        return;
    uint64_t span_ns = end_ns - start_ns;
    uint32_t step = pointer_step_hundredths_ns();
    const char *unit = instructions_are_nanoseconds(step) ? "instructions" : "ns";
    printf("\n%" PRIu64 " messages published, %" PRIu64 " received, in %" PRIu64 " us: %" PRIu64
           " messages received a second, %" PRIu64 " %s per message received\n",
           published, hops, span_ns / 1000, hops * 1000000000 / span_ns, span_ns / hops, unit);
    if (!instructions_are_nanoseconds(step))
        printf("(a step of a known loop takes %u.%02u ns here: instructions cannot be told)\n", (unsigned)step / 100,
               (unsigned)step % 100);
}

static bool stay_connected(struct client *client)
{
    const struct mqtt_connect connect = {
        .level = MQTT_PROTOCOL_LEVEL, .clean = true, .client_id = mqtt_text_of("collector")};
    bool present;
    return client_open(client, "mqtt") == 0 && client_connect(client, &connect, &present);
}

int main(int argc, char **argv)
{
    static struct client client;
    bool is_good = true;
    uint32_t expected = 0;
    for (int i = 1; i < argc; i++)
        expected += (uint32_t)strtoul(argv[i], NULL, 10);
    if (expected == 0 || !stay_connected(&client) || !gather(expected)) {
        printf("collector: %s\n", expected == 0 ? "no reports to wait for" : client.what);
        return 1;
    }
    client_close(&client);
    for (uint32_t i = 0; i < row_count; i++)
        is_good = is_good && row_is_good(&rows[i]);
    print_subscribers();
    print_others(REPORT_PUBLISHER, "publisher", "messages sent and acknowledged as their QoS asks:");
    print_others(REPORT_CHECKS, "checker", "checks passed:");
    print_speed();
    printf("mqtt: %s\n", is_good ? "PASS" : "FAIL");
    return is_good ? 0 : 1;
}
