/* C++ exceptions as clang makes them (-fwasm-exceptions): throw, catch by type, catch everything, destructors on the way,
 * rethrow, through recursion and virtual calls. Prints what happened; run.py knows what that must be. */
#include <stdio.h>

struct problem {
    int number;
};

static int destroyed;

struct guard {
    int value;
    explicit guard(int value) : value(value) {}
    ~guard() { destroyed += value; }
};

struct step {
    virtual int go(int depth) = 0;
};

struct deeper : step {
    step *next;
    explicit deeper(step *next) : next(next) {}
    int go(int depth) override;
};

struct thrower : step {
    int go(int depth) override;
};

int deeper::go(int depth)
{
    guard guard(depth);
    if (depth % 5 == 0) {
        try {
            return next->go(depth - 1) + guard.value;
        } catch (int) {
            throw;
        } catch (const problem &problem) {
            throw ::problem{problem.number + 1};
        }
    }
    return (depth == 1 ? next : this)->go(depth - 1) + guard.value;
}

int thrower::go(int)
{
    static unsigned count;
    if (count++ % 3 == 0)
        throw 7;
    if (count % 3 == 2)
        throw problem{100};
    return 1;
}

static int attempt(step &first, int depth)
{
    destroyed = 0;
    try {
        return first.go(depth);
    } catch (int number) {
        return 1000 + number;
    } catch (const problem &problem) {
        return 2000 + problem.number;
    }
}

int main()
{
    thrower last;
    deeper first(&last);
    for (int round = 0; round < 6; round++) {
        int result = attempt(first, 6);
        printf("result %d, destroyed %d\n", result, destroyed);
    }
    long long sum = 0;
    for (int i = 0; i < 200000; i++) {
        try {
            guard guard(1);
            if (i % 2)
                throw i;
            throw problem{i};
        } catch (int number) {
            sum += number;
        } catch (...) {
            sum -= 1;
        }
    }
    printf("sum %lld\n", sum);
    return 0;
}
