/* The floor: the least a process per session can cost. No libc, no start-up code, system calls only
 * (x86-64 Linux). Client on fd 0; connects to the MTA on 127.0.0.1:8025 and copies octets both ways until
 * one side ends. It looks at nothing it copies, so it is a measure, not an SMTP relay.
 *
 * tests/bench/run builds it with:
 *   cc -O2 -static -nostdlib -no-pie -ffreestanding -fno-stack-protector -Wl,-z,noseparate-code
 */
enum { SYS_READ = 0, SYS_WRITE = 1, SYS_POLL = 7, SYS_SOCKET = 41, SYS_CONNECT = 42, SYS_EXIT_GROUP = 231 };
enum { AF_INET = 2, SOCK_STREAM = 1, SOCK_CLOEXEC = 02000000, POLLIN = 1, EINTR = 4 };
enum { CLIENT = 0 };

struct address { unsigned short family, port; unsigned ip; char zero[8]; };
struct poll_entry { int fd; short events, revents; };

static char octets[65536];

/* Three arguments are all that any of these calls needs. */
static long call(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

static void finish(int status) {
    for (;;) call(SYS_EXIT_GROUP, status, 0, 0);
}

static void write_all(int fd, const char *from, long left) {
    while (left > 0) {
        long written = call(SYS_WRITE, fd, (long)from, left);
        if (written == -EINTR) continue;
        if (written <= 0) finish(1);
        from += written;
        left -= written;
    }
}

static void copy(int from, int to) {
    long count = call(SYS_READ, from, (long)octets, sizeof octets);
    if (count == -EINTR) return;
    if (count <= 0) finish(0);
    write_all(to, octets, count);
}

__attribute__((used)) static void relay(void) {
    struct address mta = { AF_INET, (8025 & 255) << 8 | 8025 >> 8, 0x0100007f, { 0 } };
    int upstream = call(SYS_SOCKET, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (upstream < 0 || call(SYS_CONNECT, upstream, (long)&mta, sizeof mta) < 0) finish(1);

    struct poll_entry peers[] = { { CLIENT, POLLIN, 0 }, { upstream, POLLIN, 0 } };
    for (;;) {
        if (call(SYS_POLL, (long)peers, 2, -1) < 0) continue;
        if (peers[0].revents) copy(CLIENT, upstream);
        if (peers[1].revents) copy(upstream, CLIENT);
    }
}

__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n and $-16, %rsp\n call relay\n");
