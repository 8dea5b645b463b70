/* Services: one endpoint per service, which callers reach through capabilities badged with who they are.
 *
 * The endpoint is made of the serving process's memory and this server holds it. When that process ends, every caller's
 * capability is replaced by one that leads here before the endpoint goes: calls in flight come back ABORTED from the
 * kernel, later ones are answered by this server. Nobody faults and nobody waits.
 */
#include "proto/service.h"
#include "server.h"
#include "tessera/invoke.h"
#include "tessera/text.h"

struct client {
    uint32_t process, generation;
    cptr cap; /* in the client's CNode */
    struct memory window;
    uint64_t address; /* of the window in the client */
    uint64_t seen_at; /* and in the server process, 0: not yet */
};

#define PIECE_CLIENTS 64u
#define PIECE_BYTES   8192u
#define CLIENT_PIECES (PROCESSES / PIECE_CLIENTS + 1)

struct service {
    char name[PROCESS_NAME_MAX + 1];
    uint32_t server, generation; /* process; 0: nobody serves */
    cptr endpoint;               /* in a slot of the serving process's task */
    uint64_t window_bytes;       /* of each client */
    struct client
        *clients[CLIENT_PIECES]; /* by process number; NULL: nobody of these asked for it yet. Kept for good */
};
_Static_assert(PIECE_CLIENTS * sizeof(struct client) <= PIECE_BYTES, "a piece's memory");

static struct service services[SERVICES];

static struct service *service_get(const char *name)
{
    struct service *unused = NULL;
    for (uint32_t i = 0; i < SERVICES; i++) {
        if (text_equal(services[i].name, name))
            return &services[i];
        if (!services[i].name[0] && !unused)
            unused = &services[i];
    }
    if (unused)
        memcpy(unused->name, name, text_length(name) + 1);
    return unused;
}

/* NULL: there is no piece for it. */
static struct client *client_at(struct service *service, uint32_t index)
{
    struct client *piece = index <= PROCESSES ? service->clients[index / PIECE_CLIENTS] : NULL;
    return piece ? &piece[index % PIECE_CLIENTS] : NULL;
}

static struct client *client_find(struct service *service, uint32_t index, uint32_t generation)
{
    struct client *client = index ? client_at(service, index) : NULL;
    return client && client->process == index && client->generation == generation ? client : NULL;
}

/* NULL: no memory. */
static struct client *client_take(struct service *service, uint32_t index)
{
    struct memory memory;
    struct client *client = client_at(service, index), *piece;
    if (client)
        return client;
    if (!memory_take(&server.pool, PIECE_BYTES, &memory))
        return NULL;
    piece = (struct client *)(void *)memory.view;
    service->clients[index / PIECE_CLIENTS] = piece;
    server.own_pages += memory.bytes;
    return &piece[index % PIECE_CLIENTS];
}

static bool client_connect(struct service *service, struct client *client)
{
    struct process *process = process_find(client->process, client->generation);
    (void)cnode_delete(process->task.cnode, client->cap); /* one that led to an earlier server */
    return task_grant(&process->task, client->cap, service->endpoint, RIGHT_CALL,
                      process_badge(0, client->generation, client->process));
}

static uint32_t client_make(struct service *service, struct process *process, word result[2])
{
    struct client *client = client_find(service, process->index, process->generation);
    if (!client) {
        client = client_take(service, process->index);
        if (!client)
            return E_NOMEM;
        if (process_memory_left(process) < service->window_bytes)
            return quota_reached(process, QUOTA_MEMORY, E_NOMEM);
        if (!process_cap_take(process, &client->cap))
            return quota_reached(process, QUOTA_CAPABILITIES, E_MFILE);
        if (!memory_take(&server.pool, service->window_bytes, &client->window)) {
            process_cap_return(process, client->cap);
            return E_MFILE;
        }
        if (!process_window_map(process, &client->window, service->window_bytes, &client->address)) {
            process_cap_return(process, client->cap);
            memory_return(&server.pool, &client->window);
            return E_MFILE;
        }
        process->memory_extra += service->window_bytes;
        client->process = process->index;
        client->generation = process->generation;
        client->seen_at = 0;
    }
    if (!client_connect(service, client))
        return E_MFILE;
    result[0] = client->cap;
    result[1] = client->address;
    return 0;
}

static bool is_served(const struct service *service)
{
    return process_find(service->server, service->generation) != NULL;
}

static bool somebody_may_serve(const char *name)
{
    for (uint32_t i = 1; i <= server.top; i++) {
        struct process *process = server.processes[i];
        if (process && process->end == PROCESS_RUNNING &&
            authority_allows(&process->authority, AUTHORITY_SERVICE_SERVE, name))
            return true;
    }
    return supervise_may_serve(AUTHORITY_SERVICE_SERVE, name);
}

uint32_t service_listen(struct process *process, const char *name, word window_bytes, word caps[2])
{
    cptr reply, endpoint_cap, reply_cap;
    if (window_bytes == 0)
        window_bytes = SERVICE_WINDOW_BYTES;
    if (window_bytes > SERVICE_WINDOW_MAX || (window_bytes & (window_bytes - 1)) || window_bytes < PAGE_BYTES)
        return E_INVAL;
    if (!authority_allows(&process->authority, AUTHORITY_SERVICE_SERVE, name))
        return E_NOTCAPABLE;
    struct service *service = service_get(name);
    if (!service)
        return E_MFILE;
    /* Clients of an earlier server have windows of its size. */
    if (is_served(service) || (service->window_bytes && service->window_bytes != window_bytes))
        return E_INVAL;
    /* Slots first: objects stay until the process ends, and it may try as often as it likes. */
    if (!process_cap_take(process, &endpoint_cap))
        return E_MFILE;
    if (!process_cap_take(process, &reply_cap)) {
        process_cap_return(process, endpoint_cap);
        return E_MFILE;
    }
    if (!task_object(&process->task, OBJECT_ENDPOINT, 0, &service->endpoint) ||
        !task_object(&process->task, OBJECT_REPLY, 0, &reply) ||
        !task_grant(&process->task, endpoint_cap, service->endpoint, RIGHT_RECV, 0) ||
        !task_grant(&process->task, reply_cap, reply, RIGHT_ALL, 0))
        return E_MFILE;
    service->server = process->index;
    service->generation = process->generation;
    service->window_bytes = window_bytes;
    caps[0] = endpoint_cap;
    caps[1] = reply_cap;
    for (uint32_t i = 1; i <= server.top; i++) { /* those who knew an earlier server */
        struct client *client = client_at(service, i);
        if (client && process_find(client->process, client->generation))
            (void)client_connect(service, client);
    }
    for (uint32_t i = 1; i <= server.top; i++) {
        struct process *waiter = server.processes[i];
        word result[2] = {0};
        if (waiter && waiter->waiting == WAITING_SERVICE && waiter->waiting_for == (uint32_t)(service - services))
            process_answer(waiter, client_make(service, waiter, result), result, 2);
    }
    return 0;
}

uint32_t service_open(struct process *process, const char *name, word result[2])
{
    return authority_allows(&process->authority, AUTHORITY_SERVICE_CONNECT, name) ? service_join(process, name, result)
                                                                                  : E_NOTCAPABLE;
}

uint32_t service_join(struct process *process, const char *name, word result[2])
{
    struct service *service = service_get(name);
    if (!service)
        return E_MFILE;
    if (is_served(service))
        return client_make(service, process, result);
    if (!somebody_may_serve(name))
        return E_CONNREFUSED;
    process_wait(process, WAITING_SERVICE, (uint32_t)(service - services));
    return E_AGAIN;
}

uint32_t service_window(struct process *process, word badge, word *address)
{
    process_windows_reap(process);
    for (uint32_t i = 0; i < SERVICES; i++) {
        struct service *service = &services[i];
        if (service->server != process->index || service->generation != process->generation)
            continue;
        struct client *client = client_find(service, badge & 0xffff, (uint32_t)(badge >> 16));
        if (!client || !client->process)
            continue;
        if (!client->seen_at) {
            if (!process_window_map(process, &client->window, service->window_bytes, &client->seen_at))
                return E_NOMEM;
        }
        *address = client->seen_at;
        return 0;
    }
    return E_INVAL;
}

struct process *service_client(const struct process *process, word badge, const char **name)
{
    for (uint32_t i = 0; i < SERVICES; i++) {
        struct service *service = &services[i];
        if (service->server != process->index || service->generation != process->generation)
            continue;
        const struct client *client = client_find(service, badge & 0xffff, (uint32_t)(badge >> 16));
        *name = service->name;
        if (client && client->process)
            return process_find(client->process, client->generation);
    }
    return NULL;
}

static uint32_t programs_started(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < server.system->program_count; i++)
        count += (system_program_at(server.system, i)->flags & (SYSTEM_START | SYSTEM_SERVER)) != 0;
    return count;
}

/* Rounded up: 0 is none. */
static word cpu_thousandths(const struct process *process)
{
    return process->budget_ns ? (process->budget_ns * 1000 + process->period_ns - 1) / process->period_ns : 0;
}

uint32_t service_party(const struct process *process, word badge, word *results, unsigned *count)
{
    const char *name;
    const struct process *client = service_client(process, badge, &name);
    while (client && !client->is_top)
        client = process_find(client->parent, client->parent_generation);
    if (!client)
        return E_INVAL;
    name = system_text(server.system, client->description->name);
    size_t bytes = text_length(name) < PROCESS_NAME_MAX ? text_length(name) : PROCESS_NAME_MAX;
    results[0] = client->program;
    results[1] = programs_started() | cpu_thousandths(client) << 32;
    results[2] = bytes;
    memcpy(&results[3], name, bytes);
    *count = 3 + (unsigned)((bytes + 7) / 8);
    return 0;
}

bool service_owns_cap(struct process *process, cptr cap)
{
    for (uint32_t i = 0; i < SERVICES; i++) {
        struct client *client = client_find(&services[i], process->index, process->generation);
        if (client && client->cap == cap)
            return true;
    }
    return false;
}

/* Its callers' capabilities lead to this server from now on, which answers that there is nobody. */
static void server_ended(struct service *service)
{
    for (uint32_t i = 1; i <= server.top; i++) {
        struct client *client = client_at(service, i);
        if (!client)
            continue;
        struct process *process = process_find(client->process, client->generation);
        client->seen_at = 0;
        if (!process)
            continue;
        (void)cnode_delete(process->task.cnode, client->cap);
        (void)task_grant(&process->task, client->cap, SERVER_CAP_ENDPOINT, RIGHT_CALL,
                         process_badge(PROCESS_BADGE_DEAD_SERVICE, client->generation, client->process));
    }
    service->server = 0;
}

static void client_ended(struct service *service, struct client *client)
{
    struct process *process = process_find(service->server, service->generation);
    if (process && client->seen_at)
        process_window_orphan(process, client->seen_at);
    if (process && process->is_server)
        process_signal_event(process);
    memory_return(&server.pool, &client->window);
    *client = (struct client){0};
}

void services_process_ended(struct process *process)
{
    for (uint32_t i = 0; i < SERVICES; i++) {
        struct service *service = &services[i];
        if (!service->name[0])
            break;
        struct client *client = client_find(service, process->index, process->generation);
        if (client)
            client_ended(service, client);
        if (service->server == process->index && service->generation == process->generation)
            server_ended(service);
    }
}

static void waiting_refuse(const struct service *service)
{
    for (uint32_t i = 1; i <= server.top; i++) {
        struct process *process = server.processes[i];
        if (process && process->waiting == WAITING_SERVICE && process->waiting_for == (uint32_t)(service - services))
            process_answer(process, E_CONNREFUSED, NULL, 0);
    }
}

void services_refuse_hopeless(const struct authority *ended)
{
    if (!ended->request || ended->request->service_serve.count == 0)
        return;
    for (const struct service *service = services; service < services + SERVICES && service->name[0]; service++)
        if (authority_allows(ended, AUTHORITY_SERVICE_SERVE, service->name) && !somebody_may_serve(service->name))
            waiting_refuse(service);
}
