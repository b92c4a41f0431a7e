#!/usr/bin/env bash
# Cargo calls this in place of rustc (.cargo/config.toml). The readers and the decoders that they call get the
# counters of coverage; kernels, threads and colour profiles do not: every counter is cleared and compared for
# each execution, and code that computes would be several times slower.
counted=" fuzz sam2_media sam2_model tensor
 safetensors serde_json serde_saphyr granit_parser zip flate2 miniz_oxide zlib_rs ruzstd
 image png fdeflate zune_jpeg tiff weezl fax image_webp gif "
name=none
previous=
for argument; do
    [ "$previous" = --crate-name ] && name=$argument
    previous=$argument
done
case $counted in
*[[:space:]]"$name"[[:space:]]*) exec "$@" ;;
esac
kept=()
for argument; do
    case $argument in
    -Cpasses=sancov-module | -Cllvm-args=-sanitizer-coverage-*) ;;
    *) kept+=("$argument") ;;
    esac
done
exec "${kept[@]}"
