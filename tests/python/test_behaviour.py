"""Signatures, threads, fork, Ctrl-C, and code that imports Meta's names."""

import inspect
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import CLICK, ON

import sam2_cpu
from sam2_cpu import automatic_mask_generator, build_sam, sam2_image_predictor, sam2_video_predictor

GOLDEN = Path(__file__).parent / "signatures.json"


def positional(function):
    """Names and defaults of the parameters that Meta's function can have."""
    kinds = (
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    )
    chosen = [p for p in inspect.signature(function).parameters.values() if p.kind in kinds]
    return [
        [p.name, None if p.default is p.empty else repr(p.default)]
        for p in chosen
        if p.name not in ("self", "cls")
    ]


def test_signatures_are_metas():
    modules = {
        "build_sam": build_sam,
        "sam2_image_predictor": sam2_image_predictor,
        "sam2_video_predictor": sam2_video_predictor,
        "automatic_mask_generator": automatic_mask_generator,
    }
    golden = json.loads(GOLDEN.read_text())
    assert len(golden) > 20
    for name, expected in golden.items():
        module, *path = name.split(".")
        found = modules[module]
        for part in path:
            found = getattr(found, part)
        assert positional(found) == expected, name


def run(code, **kwargs):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, **kwargs)


def test_metas_import_lines_work(tmp_path):
    script = tmp_path / "meta.py"
    script.write_text(
        "import sys\n"
        "from sam2.build_sam import build_sam2, build_sam2_video_predictor\n"
        "from sam2.sam2_image_predictor import SAM2ImagePredictor\n"
        "from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator\n"
        "from sam2.utils.amg import rle_to_mask\n"
        "import sam2_cpu\n"
        "assert SAM2ImagePredictor.__module__ == 'sam2_cpu.sam2_image_predictor'\n"
        "print(*sys.argv[1:])\n"
    )
    command = [sys.executable, "-m", "sam2_cpu.as_sam2", str(script), "one", "two"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "one two\n"), done.stderr
    refused = run(
        "import sys, types; sys.modules['sam2'] = types.ModuleType('sam2'); import sam2_cpu.as_sam2"
    )
    assert refused.returncode != 0 and "imported already" in refused.stderr


def test_fork_works(predictor):
    """A forked child has none of the parent's threads."""
    expected = predictor.predict(CLICK, ON)[2]
    child = os.fork()
    if child == 0:
        same = np.array_equal(predictor.predict(CLICK, ON)[2], expected)
        os._exit(0 if same else 1)
    for _ in range(600):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.1)
    else:
        os.kill(child, signal.SIGKILL)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(status) == 0


def test_the_gil_is_released(model, photo):
    """Another thread counts while a picture is encoded."""
    predictor = sam2_image_predictor.SAM2ImagePredictor(model)
    steps, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            steps[0] += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=count)
    thread.start()
    before = steps[0]
    for _ in range(10):
        predictor.set_image(photo)
    during = steps[0] - before
    stop.set()
    thread.join()
    assert during > 10


def test_two_threads_on_one_predictor(predictor):
    expected = predictor.predict(CLICK, ON)[2]
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(predictor.predict(CLICK, ON)[2])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4 and all(np.array_equal(answer, expected) for answer in answers)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_a_search():
    code = (
        "import signal, numpy as np, sam2_cpu\n"
        # A shell's background job ignores Ctrl-C.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from sam2_cpu.automatic_mask_generator import SAM2AutomaticMaskGenerator\n"
        "generator = SAM2AutomaticMaskGenerator(sam2_cpu.build_sam2_micro(), points_per_side=200)\n"
        "print('ready', flush=True)\n"
        "generator.generate(np.zeros((240, 320, 3), np.uint8))\n"
        "print('finished')\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    time.sleep(1)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode != 0 and "KeyboardInterrupt" in err and "finished" not in out


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_memory_is_given_back(frames):
    """Models, pictures, masks and states of clips, 50 times."""

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    sizes = []
    for _ in range(50):
        model = sam2_cpu.build_sam2_micro(video=True)
        predictor = sam2_image_predictor.SAM2ImagePredictor(model)
        predictor.set_image(frames[0])
        state = model.init_state(frames[:2])
        model.add_new_points_or_box(state, 0, 1, CLICK, ON)
        answers = [predictor.predict(CLICK, ON), *model.propagate_in_video(state)]
        del model, predictor, state, answers
        sizes.append(resident())
    # A model alone has 17 MB.
    assert max(sizes[30:]) - max(sizes[:20]) < 10, sizes


def test_torch_shares_the_memory(video_model, frames):
    torch = pytest.importorskip("torch")
    state = video_model.init_state(frames[:1])
    _, _, masks = video_model.add_new_points_or_box(state, 0, 1, CLICK, ON)
    tensor = torch.as_tensor(masks)
    assert tensor.data_ptr() == masks.ctypes.data


def test_every_name_has_documentation():
    for module in (build_sam, sam2_image_predictor, sam2_video_predictor, automatic_mask_generator):
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
                continue
            assert value.__doc__, name
            if inspect.isclass(value):
                for member, function in vars(value).items():
                    assert member.startswith("_") or function.__doc__, f"{name}.{member}"


def test_versions_agree():
    from importlib.metadata import version

    assert sam2_cpu.__version__ == version("sam2-cpu")
