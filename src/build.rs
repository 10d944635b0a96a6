//! Before the program is built: tells the linker to keep together what a session
//! runs (`layout.ld`). Only for musl, which is what is released; others link as usual.

fn main() {
    println!("cargo::rerun-if-changed=src/layout.ld");
    let of = |name| std::env::var(name).unwrap_or_default();
    if of("CARGO_CFG_TARGET_ENV") == "musl" && of("CARGO_CFG_TARGET_OS") == "linux" {
        let script = format!("{}/src/layout.ld", of("CARGO_MANIFEST_DIR"));
        // One segment for all that is only read, and one for what is written: each is a mapping to
        // make and to take down, and a page fault more. Nothing is made read-only after a relocation,
        // for in a static program none takes place.
        for flags in ["-T,{script}", "-z,noseparate-code", "-z,norelro"] {
            println!("cargo::rustc-link-arg-bins=-Wl,{}", flags.replace("{script}", &script));
        }
    }
}
