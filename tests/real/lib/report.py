"""`report` inside the room (see ../report): the page as a browser renders it, speed and memory."""
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, "/real/lib")
import real

RESULTS = real.Results("report")
ok, note = RESULTS.ok, RESULTS.note
PROGRAM = "/usr/sbin/smtp-wrapper"
TRAFFIC = ["mawk", "-f", "/real/lib/traffic.awk"]
BROWSER = ["chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--user-data-dir=/tmp/browser",
           "--virtual-time-budget=5000"]
COUNT = "/ verdict=temp /{t++} / verdict=pass /{p++} / verdict=perm /{r++} END {print t + 0, p + 0, r + 0}"
MEMORY = 200 * 1024  # KiB
SHARE = 0.3  # of mawk's speed, which only counts
# Shows the page at a width, and says what of it is wider, and what it loads.
HARNESS = """<!DOCTYPE html><body><iframe id=f width=%d height=900 src=page.html></iframe><script>
onload = () => {
  const page = document.getElementById('f').contentDocument, root = page.documentElement
  const scrolls = e => e && e !== root && (/auto|scroll/.test(page.defaultView.getComputedStyle(e).overflowX) || scrolls(e.parentElement))
  const wide = [...page.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > %d + 1 && !scrolls(e.parentElement))
  const loaded = page.defaultView.performance.getEntriesByType('resource').length
  document.body.textContent = `width=${root.scrollWidth} wide=${wide.map(e => e.tagName).join()}; loaded=${loaded} charts=${page.querySelectorAll('svg rect').length}`
}
</script>"""


def traffic(path, lines, *more):
    with open(path, "wb") as log:
        subprocess.run(TRAFFIC + ["-v", "N=%d" % lines, *more], stdout=log, check=True, timeout=120)


def measured(words, source=None):
    """Output, seconds of CPU, and peak memory in KiB."""
    read, write = os.pipe()
    child = subprocess.Popen(words, stdin=source or subprocess.DEVNULL, stdout=write)
    os.close(write)
    with os.fdopen(read, "r") as pipe:
        text = pipe.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return text, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def browse(*words):
    done = subprocess.run(BROWSER + list(words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return done.stdout.decode("utf-8", "replace")


def figures(text):
    """Name and value of what stands first in the text."""
    head = text.split("\n\n")[1]
    return re.findall(r"^  (\S+(?: \S+)*)  +(\d[0-9 a-z]*?)(?:  .*)?$", head, re.M)


def page():
    traffic("/tmp/small.log", 50000)
    text = measured([PROGRAM, "report", "/tmp/small.log", "--html", "/tmp/page.html"])[0]
    dom = browse("--dump-dom", "file:///tmp/page.html")
    shown = dict(re.findall(r"<dt>(.*?)</dt><dd><b>(.*?)</b>", dom))
    told = dict(figures(text))
    ok(len(told) >= 9 and shown == told, "the page's figures are those of the text", (told, shown))
    counted = measured(["mawk", COUNT, "/tmp/small.log"])[0].split()
    names = ("refused for now", "accepted", "refused for good")
    ok([shown.get(name, "").replace(" ", "") for name in names] == counted, "and those that mawk counts", (shown, counted))
    for table in ("of-days", "of-hours"):
        body = dom.split('id="%s"' % table)[1].split("</table>")[0]
        rows = [[int(cell.replace(" ", "")) for cell in re.findall("<td>(.*?)</td>", row)] for row in re.findall("<tr>(.*?)</tr>", body) if "<td>" in row]
        sums = [sum(column) for column in zip(*rows)]
        ok(sums == [int(counted[n]) for n in (1, 0, 2)], table + ": the table adds up to the same", (sums, counted))
    proposals = re.findall("<li><span class=\"sure [a-z]+\">[a-z]+</span><code>(.*?)</code>", dom)
    entries = [line for line in text.split("proposed by smtp-wrapper report")[1].splitlines()[1:] if not line.startswith("#")]
    ok(proposals == entries and len(entries) > 0, "the page proposes what the text does", (proposals[:5], entries[:5]))
    for width in (390, 1200):
        with open("/tmp/harness.html", "w") as file:
            file.write(HARNESS % (width, width))
        said = browse("--dump-dom", "--window-size=1400,1000", "file:///tmp/harness.html")
        found = re.search(r"width=(\d+) wide=(\S*); loaded=(\d+) charts=(\d+)", said)
        good = found and int(found[1]) <= width and found[2] == "" and found[3] == "0" and int(found[4]) > 50
        ok(good, "at %d pixels nothing is wider, and nothing is loaded" % width, said)


def speed():
    traffic("/tmp/large.log", 700000)
    size = os.path.getsize("/tmp/large.log") / 1e6
    best = {"mawk": 1e9, "report": 1e9}
    for _ in range(3):
        for name, words in (("mawk", ["mawk", COUNT, "/tmp/large.log"]), ("report", [PROGRAM, "report", "/tmp/large.log"])):
            best[name] = min(best[name], measured(words)[1])
    mawk, report = size / best["mawk"], size / best["report"]
    ok(report >= SHARE * mawk, "report reads %.0f MB at %.0f MB/s, %.2f times mawk's %.0f MB/s" % (size, report, report / mawk, mawk))
    os.unlink("/tmp/large.log")


def memory():
    """Each line another client, sender and recipient; three times what is remembered at once."""
    began = time.monotonic()
    with subprocess.Popen(TRAFFIC + ["-v", "N=2000000", "-v", "NEW=1"], stdout=subprocess.PIPE) as source:
        text, _, peak = measured([PROGRAM, "report", "-"], source.stdout)
    ok(peak <= MEMORY, "2 000 000 lines of as many clients take %d MiB" % (peak // 1024), peak)
    told = dict(figures(text))
    ok(told.get("groups refused") == "1 400 000" and "memory is bounded" in text, "and are counted, and what was given up is told", text[:1500])
    note("that took %.0f s" % (time.monotonic() - began))


for part in (page, speed, memory):
    RESULTS.attempt(part.__name__, part)
RESULTS.finish()
