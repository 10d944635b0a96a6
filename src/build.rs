//! Before the program is built: tells the linker to keep together what a session
//! runs (`layout.ld`). Only for musl, which is what is released; others link as usual.

fn main() {
    println!("cargo::rerun-if-changed=src/layout.ld");
    let of = |name| std::env::var(name).unwrap_or_default();
    if of("CARGO_CFG_TARGET_ENV") == "musl" && of("CARGO_CFG_TARGET_OS") == "linux" {
        let script = format!("{}/src/layout.ld", of("CARGO_MANIFEST_DIR"));
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{script}");
    }
}
