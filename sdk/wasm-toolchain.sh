#!/bin/sh
# Finds or makes a toolchain that builds Rust plugins for wasm32-unknown-unknown.
#
#   usage: sdk/wasm-toolchain.sh [--debian]    prints the path of a `cargo-wasm` on the last line of standard output
#
# `cargo-wasm` is cargo with everything set: `cargo-wasm build --profile plugin -p NAME --target-dir target/wasm`. Always give it
# a target directory of its own, because it may run another compiler than plain cargo does.
#
# It tries, in this order:
#   1. the target is installed already;
#   2. `rustup target add wasm32-unknown-unknown`, given a minute;
#   3. (or with --debian, at once) Debian's compiler, whose standard library is built here from Debian's sources: about 140 MB of
#      download, 90 s and 490 MB on disk, once. Nothing is installed system-wide and root is not needed.
#
# Everything lives in ${TIDEMILL_WASM_TOOLCHAIN:-${XDG_CACHE_HOME:-$HOME/.cache}/tidemill/wasm-toolchain}; delete it to start over.
set -eu

TARGET=wasm32-unknown-unknown
HOME_DIR=${TIDEMILL_WASM_TOOLCHAIN:-${XDG_CACHE_HOME:-$HOME/.cache}/tidemill/wasm-toolchain}
LAYOUT=1 # part of the marker file: raise it when the layout below changes

say() { echo "wasm toolchain: $*" >&2; }
fail() {
    say "$*"
    say "the usual way is: rustup target add $TARGET"
    exit 1
}

command -v cargo >/dev/null 2>&1 || fail "cargo is not on the PATH; install Rust from https://rustup.rs first"

has_target() { ls "$(rustc --print target-libdir --target "$TARGET" 2>/dev/null)"/libcore-*.rlib >/dev/null 2>&1; }

# Writes the wrapper to $1. Further arguments are environment settings it needs. RUSTFLAGS are for the machine, not for plugins.
write_wrapper() {
    wrapper=$1
    shift
    {
        echo '#!/bin/sh'
        echo 'unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS RUSTC_WRAPPER'
        printf 'exec env CARGO_BUILD_TARGET=%s' "$TARGET"
        for setting in "$@"; do printf " '%s'" "$setting"; done
        printf ' cargo "$@"\n'
    } >"$wrapper.new.$$"
    chmod +x "$wrapper.new.$$"
    mv "$wrapper.new.$$" "$wrapper"
}

use_installed_target() {
    mkdir -p "$HOME_DIR"
    write_wrapper "$HOME_DIR/cargo-wasm-rustup"
    echo "$HOME_DIR/cargo-wasm-rustup"
    exit 0
}

only_debian=false
if [ "${1:-}" = --debian ]; then only_debian=true; fi
if ! $only_debian && has_target; then use_installed_target; fi

DEBIAN=$HOME_DIR/debian
if [ "$(cat "$DEBIAN/complete" 2>/dev/null)" = "$LAYOUT" ]; then
    echo "$DEBIAN/cargo-wasm"
    exit 0
fi

if ! $only_debian && command -v rustup >/dev/null 2>&1; then
    say "trying rustup target add $TARGET"
    if timeout 60 rustup target add "$TARGET" >/dev/null 2>&1 && has_target; then use_installed_target; fi
    say "rustup cannot download it here; falling back to Debian's packages (about 90 s, once)"
fi

for tool in apt-get apt-cache dpkg; do
    command -v "$tool" >/dev/null 2>&1 || fail "$tool is missing, so the fallback to Debian's packages cannot be used"
done

# From here on everything happens in $WORK, and one rename at the end makes it visible: an interrupted run leaves nothing half done.
mkdir -p "$HOME_DIR"
WORK=$(cd "$HOME_DIR" && pwd)/debian.$$
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$WORK/packages"
cd "$WORK"

apt_options=
if ! apt-cache show rustc-web >/dev/null 2>&1; then
    say "fetching Debian's package lists into a private folder"
    mkdir -p apt/lists/partial apt/cache/archives/partial
    apt_options="-o Dir::State::lists=$WORK/apt/lists -o Dir::Cache=$WORK/apt/cache"
    # shellcheck disable=SC2086 # the options are words
    apt-get $apt_options update >apt.log 2>&1 || { cat apt.log >&2; fail "apt-get update failed"; }
fi
# shellcheck disable=SC2086
depends() { apt-cache $apt_options depends "$1" 2>/dev/null | sed -n "s/.*Depends: \($2\).*/\1/p" | head -n 1; }
std=$(depends libstd-rust-web-dev 'libstd-rust-web-[0-9.]*')
[ -n "$std" ] || fail "this distribution has no package libstd-rust-web-dev"
llvm=$(depends "$std" 'libllvm[0-9]*')

say "1/4 downloading Debian's Rust compiler (about 140 MB)"
# shellcheck disable=SC2086
(cd packages && apt-get $apt_options download rustc-web "$std" libstd-rust-web-dev rust-web-src $llvm) >apt.log 2>&1 ||
    { cat apt.log >&2; fail "apt-get download failed"; }
say "2/4 unpacking"
for package in packages/*.deb; do dpkg -x "$package" .; done
rm -rf packages

host=$(rustc -vV | sed -n 's/^host: //p')
linkers=$(rustc --print sysroot)/lib/rustlib/$host/bin
[ -x "$linkers/rust-lld" ] || fail "$linkers/rust-lld is missing: the fallback needs the linker of a rustup toolchain"
libraries=$(dirname "$(find usr/lib -name 'librustc_driver-*.so' | head -n 1)")
[ -d "usr/lib/rustlib/$host/lib" ] || fail "Debian's compiler is for another host than $host"
mkdir -p "usr/lib/rustlib/$host/bin" "usr/lib/rustlib/$TARGET/lib" bin

# Paths in the two wrappers are those after the final rename.
install_wrappers() {
    {
        echo '#!/bin/sh'
        printf 'LD_LIBRARY_PATH="%s" exec "%s/usr/bin/rustc" "$@"\n' "$1/$libraries" "$1"
    } >bin/rustc
    chmod +x bin/rustc
    write_wrapper "$WORK/cargo-wasm" "RUSTC=$1/bin/rustc" "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linkers/rust-lld"
}
install_wrappers "$WORK"
ln -sf "$linkers/rust-lld" "usr/lib/rustlib/$host/bin/rust-lld"

say "3/4 building the standard library for $TARGET (about a minute)"
mkdir -p std/src
: >std/src/lib.rs
printf '[package]\nname="std-for-wasm"\nversion="0.0.0"\nedition="2021"\n[workspace]\n[profile.release]\npanic="abort"\n' >std/Cargo.toml
# The compiler's unstable build-std is used once, here; plugins are built with stable features only. The embedded bitcode lets
# plugins be optimised together with the standard library.
sed 's/^unset RUSTFLAGS /unset /' cargo-wasm >cargo-std
chmod +x cargo-std
(cd std && RUSTFLAGS=-Cembed-bitcode=yes RUSTC_BOOTSTRAP=1 ../cargo-std build --release --target-dir target \
    -Z build-std=std,panic_abort,proc_macro) >build.log 2>&1 || { tail -n 30 build.log >&2; fail "the standard library did not build"; }
cp "std/target/$TARGET/release/deps/"*.rlib "usr/lib/rustlib/$TARGET/lib/"
rm -rf "usr/lib/rustlib/$TARGET/lib/"libstd_for_wasm-* std usr/src usr/share cargo-std build.log apt apt.log

say "4/4 putting it into place"
install_wrappers "$DEBIAN"
echo "$LAYOUT" >complete
rm -rf "$DEBIAN"
mv "$WORK" "$DEBIAN"
say "ready: $DEBIAN"
echo "$DEBIAN/cargo-wasm"
