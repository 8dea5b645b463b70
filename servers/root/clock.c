/* Wall time, once at boot: from the PC's CMOS clock or from a PL031. Programs add the timer's ticks.
 *
 * Sources: Motorola MC146818 data sheet (registers, BCD and binary modes); ARM PrimeCell RTC (PL031) TRM, DDI 0224.
 */
#include "proto/start.h"
#include "root.h"
#include "tessera/clock.h"
#include "tessera/invoke.h"

#define RTC_ADDRESS (PROCESS_WINDOW_BASE + PAGE_BYTES)

#if defined(__x86_64__)

static uint64_t days_from_civil(uint64_t year, uint64_t month, uint64_t day)
{
    /* Years begin in March, so that the leap day is the last. */
    year -= month <= 2;
    uint64_t shifted = (month + 9) % 12;
    uint64_t day_of_year = (153 * shifted + 2) / 5 + day - 1;
    return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

static uint32_t cmos_read(cptr ports, uint32_t index)
{
    word value = 0;
    (void)io_port_out(ports, 0x70, 1, index);
    (void)io_port_in(ports, 0x71, 1, &value);
    return (uint32_t)value;
}

static uint32_t from_bcd(uint32_t value)
{
    return (value >> 4) * 10 + (value & 15);
}

static uint64_t rtc_seconds(struct root *root)
{
    enum { SECONDS = 0, MINUTES = 2, HOURS = 4, DAY = 7, MONTH = 8, YEAR = 9, STATUS_A = 10, STATUS_B = 11 };
    cptr ports = root_slot(root);
    if (io_port_control_issue(ROOT_IO_PORT_CONTROL, 0x70, 0x71, ROOT_CNODE, ports) != ERROR_NONE)
        return 0;
    for (int tries = 0; tries < 100000 && cmos_read(ports, STATUS_A) & 0x80; tries++)
        ; /* an update is in progress: at most 2 ms */
    uint32_t mode = cmos_read(ports, STATUS_B);
    uint32_t fields[6] = {SECONDS, MINUTES, HOURS, DAY, MONTH, YEAR};
    for (int i = 0; i < 6; i++) {
        uint32_t value = cmos_read(ports, fields[i]);
        bool is_afternoon = i == 2 && !(mode & 2) && value & 0x80;
        value &= i == 2 ? 0x7f : 0xff;
        fields[i] = mode & 4 ? value : from_bcd(value);
        if (i == 2 && !(mode & 2))
            fields[i] = fields[i] % 12 + (is_afternoon ? 12 : 0);
    }
    uint64_t days = days_from_civil(2000 + fields[5], fields[4], fields[3]);
    return ((days * 24 + fields[2]) * 60 + fields[1]) * 60 + fields[0];
}

#else

static uint64_t rtc_seconds(struct root *root)
{
    if (!root->boot->rtc_address)
        return 0;
    cptr frame = root_device_frame(root, root->boot->rtc_address & ~(PAGE_BYTES - 1), PAGE_BITS), slot;
    static struct task self;
    self.pool = &root->pool;
    self.vspace = ROOT_VSPACE;
    if (!frame || !task_map_device(&self, frame, RTC_ADDRESS, &slot))
        return 0;
    return *(volatile uint32_t *)(RTC_ADDRESS + root->boot->rtc_address % PAGE_BYTES);
}

#endif

uint64_t clock_realtime_base(struct root *root)
{
    uint64_t seconds = rtc_seconds(root);
    if (seconds == 0)
        return 0;
    uint64_t now_ns = clock_ns(clock_ticks(), root->boot->timer_multiplier, root->boot->timer_shift);
    return seconds * 1000000000ul - now_ns;
}
