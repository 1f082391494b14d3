#!/usr/bin/env bash
# From a folder of MIDI files to a piece and two exported models, in ./demo. `make demo` runs it in
# its own environment; it needs only the `musictk` command.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf demo
mkdir demo
cp -R examples/midis demo/midis
cd demo

bold= plain=
if [ -t 2 ]; then bold=$'\033[1m' plain=$'\033[0m'; fi

run() {
  printf '\n%s$ musictk %s%s\n' "$bold" "$*" "$plain" >&2
  musictk "$@"
}

run ingest ./midis
run train --arch conformer
run sample --composer Bach --form AABA -o out.wav
run export --onnx | tee onnx.txt
run export --torchscript | tee torchscript.txt
run sample --composer Bach --form AABA --runtime onnx -o onnx.mid
run show out.mid -o out.png
run show out.mid
run sample --run built-in --composer Bach --form AABA -o built-in.wav
run show built-in.mid -o built-in.png

cat <<END

Done. In $PWD:
  out.wav        a piece in the form AABA; open it in any player
  out.mid        the same piece; open it in a DAW, the sections are markers
  out.png        its piano roll, coloured by section
  onnx.mid       another piece, sampled with the ONNX export
  built-in.wav   a piece of the model that comes with musictk, trained for longer on more music;
                 built-in.mid and built-in.png show it
  exports/       the exported models; their speeds:
$(grep -hv '^$' onnx.txt torchscript.txt | sed 's/^/    /')

Next, your own files. Put them into one folder per composer and run:
  source $(dirname "$PWD")/.venv/bin/activate
  mkdir ~/music && cd ~/music
  musictk ingest /path/to/your/midis
  musictk train --arch conformer
  musictk sample --composer YOURS --form AABA -o out.wav
END
