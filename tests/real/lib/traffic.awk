# A log of N lines in the native style, for report's speed and memory: mawk -v N=1000000 [-v NEW=1] -f traffic.awk
# Seven in ten are refused for now, by 68 000 clients, 8000 at a time, that come back now and then; with NEW=1 every line is another client,
# sender and recipient, which is the worst case for its memory.
BEGIN {
    srand(7)
    for (n = 0; n < N; n++) {
        client = NEW ? n : int(n / N * 60000 + rand() * rand() * 8000)
        ip = 11 + int(client / 4194304) % 200 "." int(client / 16384) % 256 "." int(client / 64) % 256 "." client * 4 % 256
        from = NEW ? "s" n "@d" n % 100003 ".example" : "sender" int(rand() * 3) "@domain" client % 30011 ".example"
        to = NEW ? "r" n "@our.example" : "user" client % 512 "@our.example"
        name = client % 3 ? "ptr=<mail-1a2b" client ".domain" client % 30011 ".example> fcrdns=pass" : "ptr=- fcrdns=fail"
        what = n % 10
        head = sprintf("Mar %2d %02d:%02d:%02d mx smtp-wrapper[%d]: v=1 sid=64c%05x%05x.%x ip=[%s] port=%d ",
            1 + n * 28 / N, n * 28 * 24 / N % 24, n * 28 * 1440 / N % 60, n % 60, n % 32768,
            int(n / N * 524288), n * 7919 % 1048576, n % 32768, ip, 1024 + n % 60000)
        tail = "dns=2/14ms tls=- auth=- t=0.4" 10 + n % 90
        if (what < 7)
            print head "verdict=temp rule=s25r.r" 1 + client % 6 " code=450 at=rcpt would=- helo=<mail" client ".example> from=<" from "> to=<" to "> reply=<4.7.1\\x20S25R\\x20check,\\x20be\\x20patient\\x20[r1]> " name " " tail
        else if (what < 9)
            print head "verdict=pass rule=mta code=250 at=message would=- helo=<mail" client ".example> from=<" from "> to=<" to "> reply=<2.0.0\\x20Ok:\\x20queued\\x20as\\x204Xyz12> " name " " tail
        else
            print head "session=end end=quit mta=ok why=<> helo=<mail" client ".example> messages=1 octets=" 1000 + n % 90000 " refused=0 rule=- " name " " tail " cpu=1ms mem=1200KiB"
    }
}
