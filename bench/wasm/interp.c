/* An interpreter: a stack machine whose program counts primes with a sieve, follows Collatz's sequences and recurses,
 * and calls functions of its host through a table. */
#include "harness.h"

const struct benchmark benchmark = {.name = "interp", .rounds = 75, .checksum = 0x3fcfa7cf};

/* Each is one cell of the code, followed by its arguments. */
enum operation {
    HALT,
    PUSH,  /* value */
    LOAD,  /* local: pushes it */
    STORE, /* local: pops into it */
    FETCH, /* pops an index, pushes the heap's cell */
    PUT,   /* pops a value and an index, writes the cell */
    ADD,   /* this and the next six pop two and push one */
    SUBTRACT,
    MULTIPLY,
    DIVIDE,
    REMAINDER,
    LESS,
    EQUAL,
    JUMP,   /* target */
    BRANCH, /* target: pops, jumps if it was 0 */
    CALL,   /* target, argument count: pops the arguments into the first locals of a new frame */
    RETURN, /* leaves the frame; the result stays on the stack */
    HOST,   /* number: calls a function of the host with the popped value, pushes what it returns */
};

enum { CODE = 256, STACK = 1024, FRAMES = 64, LOCALS = 4, HEAP = 65536, SIEVE_LIMIT = 50000, COLLATZ_LIMIT = 3000 };
enum { HOST_HASH, HOST_PARITY, HOST_COLLATZ };

struct frame {
    const int32_t *resume;
    int32_t locals[LOCALS];
};

struct machine {
    int32_t stack[STACK], heap[HEAP];
    struct frame frames[FRAMES];
    uint32_t hash;
};

/* ---- the program ---- */

static int32_t code[CODE];
static uint32_t used;

static void emit(enum operation operation)
{
    code[used++] = (int32_t)operation;
}

static void emit1(enum operation operation, int32_t argument)
{
    emit(operation);
    code[used++] = argument;
}

/* A jump whose target is set by land(). */
static uint32_t emit_forward(enum operation operation)
{
    emit1(operation, 0);
    return used - 1;
}

static void land(uint32_t hole)
{
    code[hole] = (int32_t)used;
}

static void emit_call(uint32_t target, int32_t arguments)
{
    emit1(CALL, (int32_t)target);
    code[used++] = arguments;
}

/* local += value */
static void emit_advance(int32_t local, int32_t value)
{
    emit1(LOAD, local);
    emit1(PUSH, value);
    emit(ADD);
    emit1(STORE, local);
}

/* Pushes local < limit. */
static void emit_less(int32_t local, int32_t limit)
{
    emit1(LOAD, local);
    emit1(PUSH, limit);
    emit(LESS);
}

/* fib(n): n < 2 ? n : fib(n - 1) + fib(n - 2) */
static void emit_fibonacci(void)
{
    int32_t entry = (int32_t)used;
    emit_less(0, 2);
    uint32_t recurse = emit_forward(BRANCH);
    emit1(LOAD, 0);
    emit1(HOST, HOST_PARITY);
    emit(RETURN);
    land(recurse);
    for (int32_t less = 1; less <= 2; less++) {
        emit1(LOAD, 0);
        emit1(PUSH, less);
        emit(SUBTRACT);
        emit_call((uint32_t)entry, 1);
    }
    emit(ADD);
    emit(RETURN);
}

/* Locals: 0 candidate, 1 multiple. Hashes every prime. */
static void emit_sieve(void)
{
    emit1(PUSH, 2);
    emit1(STORE, 0);
    int32_t next = (int32_t)used;
    emit_less(0, SIEVE_LIMIT);
    uint32_t done = emit_forward(BRANCH);
    emit1(LOAD, 0);
    emit(FETCH);
    emit1(PUSH, 0);
    emit(EQUAL);
    uint32_t composite = emit_forward(BRANCH);
    emit1(LOAD, 0);
    emit1(HOST, HOST_HASH);
    emit1(STORE, 1);
    int32_t strike = (int32_t)used;
    emit_less(1, SIEVE_LIMIT);
    uint32_t struck = emit_forward(BRANCH);
    emit1(LOAD, 1);
    emit1(PUSH, 1);
    emit(PUT);
    emit1(LOAD, 1);
    emit1(LOAD, 0);
    emit(ADD);
    emit1(STORE, 1);
    emit1(JUMP, strike);
    land(struck);
    land(composite);
    emit_advance(0, 1);
    emit1(JUMP, next);
    land(done);
}

/* Locals: 0 start, 1 value, 2 steps. Odd starts let the host do a step, even ones divide here. */
static void emit_collatz(void)
{
    emit1(PUSH, 1);
    emit1(STORE, 0);
    emit1(PUSH, 0);
    emit1(STORE, 2);
    int32_t next = (int32_t)used;
    emit_less(0, COLLATZ_LIMIT);
    uint32_t done = emit_forward(BRANCH);
    emit1(LOAD, 0);
    emit1(STORE, 1);
    int32_t step = (int32_t)used;
    emit1(PUSH, 1);
    emit1(LOAD, 1);
    emit(LESS);
    uint32_t reached = emit_forward(BRANCH);
    emit_advance(2, 1);
    emit1(LOAD, 1);
    emit1(PUSH, 2);
    emit(REMAINDER);
    uint32_t even = emit_forward(BRANCH);
    emit1(LOAD, 1);
    emit1(HOST, HOST_COLLATZ);
    emit1(STORE, 1);
    emit1(JUMP, step);
    land(even);
    emit1(LOAD, 1);
    emit1(PUSH, 2);
    emit(DIVIDE);
    emit1(STORE, 1);
    emit1(JUMP, step);
    land(reached);
    emit_advance(0, 1);
    emit1(JUMP, next);
    land(done);
    emit1(LOAD, 2);
}

static void assemble(void)
{
    used = 0;
    uint32_t begin = emit_forward(JUMP), fibonacci = used;
    emit_fibonacci();
    land(begin);
    emit_sieve();
    emit_collatz();
    emit1(PUSH, 20);
    emit_call(fibonacci, 1);
    emit(MULTIPLY);
    emit(HALT);
}

/* ---- the machine ---- */

typedef int32_t host_function(struct machine *machine, int32_t value);

static int32_t host_hash(struct machine *machine, int32_t value)
{
    machine->hash = bench_mix(machine->hash, (uint32_t)value);
    return value;
}

static int32_t host_parity(struct machine *machine, int32_t value)
{
    machine->hash++;
    return value & 1;
}

static int32_t host_collatz(struct machine *machine, int32_t value)
{
    machine->hash += (uint32_t)value;
    return 3 * value + 1;
}

static host_function *const host_functions[] = {host_hash, host_parity, host_collatz};

static int32_t combine(enum operation operation, int32_t left, int32_t right)
{
    switch (operation) {
    case ADD:
        return left + right;
    case SUBTRACT:
        return left - right;
    case MULTIPLY:
        return (int32_t)((uint32_t)left * (uint32_t)right);
    case DIVIDE:
        return left / right;
    case REMAINDER:
        return left % right;
    case LESS:
        return left < right;
    default:
        return left == right;
    }
}

/* Runs from the code's begin; yields the top of the stack when it halts. */
BENCH_NOINLINE static int32_t run(struct machine *machine)
{
    const int32_t *next = code;
    int32_t *top = machine->stack; /* of what is there */
    struct frame *frame = machine->frames;
    for (;;) {
        enum operation operation = (enum operation) * next++;
        switch (operation) {
        case HALT:
            return *top;
        case PUSH:
            *++top = *next++;
            break;
        case LOAD:
            *++top = frame->locals[*next++];
            break;
        case STORE:
            frame->locals[*next++] = *top--;
            break;
        case FETCH:
            *top = machine->heap[*top];
            break;
        case PUT:
            machine->heap[top[-1]] = top[0];
            top -= 2;
            break;
        case ADD:
        case SUBTRACT:
        case MULTIPLY:
        case DIVIDE:
        case REMAINDER:
        case LESS:
        case EQUAL:
            top--;
            *top = combine(operation, top[0], top[1]);
            break;
        case JUMP:
            next = code + *next;
            break;
        case BRANCH:
            next = *top-- ? next + 1 : code + *next;
            break;
        case CALL:
            frame++;
            frame->resume = next + 2;
            for (int32_t i = next[1] - 1; i >= 0; i--)
                frame->locals[i] = *top--;
            next = code + next[0];
            break;
        case RETURN:
            next = frame->resume;
            frame--;
            break;
        case HOST:
            *top = host_functions[*next++](machine, *top);
            break;
        }
    }
}

static struct machine machine;

uint32_t benchmark_round(void)
{
    assemble();
    machine = (struct machine){0};
    return (uint32_t)run(&machine) ^ machine.hash;
}
