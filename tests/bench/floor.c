/* The floor: the least a process per session can cost. No libc, no start-up code, system calls only
 * (x86-64 Linux). Client on fd 0; connects to the MTA on 127.0.0.1:8025 and copies octets both ways until
 * one side ends. It looks at nothing it copies, so it is a measure, not an SMTP relay.
 *
 * tests/bench/run builds it with:
 *   cc -O2 -static -nostdlib -no-pie -ffreestanding -fno-stack-protector -Wl,-z,noseparate-code
 * With -DDNS it first asks the name server on 127.0.0.1:8053 for the client's name, and for the address of that.
 */
enum { SYS_READ = 0, SYS_WRITE = 1, SYS_POLL = 7, SYS_SOCKET = 41, SYS_CONNECT = 42, SYS_EXIT_GROUP = 231 };
enum { AF_INET = 2, SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_CLOEXEC = 02000000, POLLIN = 1, EINTR = 4 };
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

static int connect_to(int port, int type) {
    struct address peer = { AF_INET, (port & 255) << 8 | port >> 8, 0x0100007f, { 0 } };
    int fd = call(SYS_SOCKET, AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || call(SYS_CONNECT, fd, (long)&peer, sizeof peer) < 0) finish(1);
    return fd;
}

#ifdef DNS
#define HEADER "sw\1\0\0\1\0\0\0\0\0\0"
static const char name_of[] = HEADER "\0011\0010\0010\003127\7in-addr\4arpa\0\0\14\0\1";
static const char address_of[] = HEADER "\4mail\7example\3org\0\0\1\0\1";

static void ask(int fd, const char *question, long length) {
    if (call(SYS_WRITE, fd, (long)question, length) != length) finish(1);
    if (call(SYS_READ, fd, (long)octets, sizeof octets) <= 0) finish(1);
}
#endif

__attribute__((used)) static void relay(void) {
#ifdef DNS
    int dns = connect_to(8053, SOCK_DGRAM);
    ask(dns, name_of, sizeof name_of - 1);
    ask(dns, address_of, sizeof address_of - 1);
#endif
    int upstream = connect_to(8025, SOCK_STREAM);

    struct poll_entry peers[] = { { CLIENT, POLLIN, 0 }, { upstream, POLLIN, 0 } };
    for (;;) {
        if (call(SYS_POLL, (long)peers, 2, -1) < 0) continue;
        if (peers[0].revents) copy(CLIENT, upstream);
        if (peers[1].revents) copy(upstream, CLIENT);
    }
}

__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n and $-16, %rsp\n call relay\n");
