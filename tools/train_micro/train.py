"""Trains the micro SAM 2.1 on rendered clips: one stage, resumable, with one or more worker processes.

    python tools/train_micro/train.py RUN --pool POOL --init START.pt --size 128 --clips 0 --minutes 25

Each worker trains alone for --sync seconds; then weights and Adam's moments are averaged, weighted by each
worker's number of steps, so that a slow worker does not delay the others. A running mean of the weights is
kept and exported. Progress is the processor time of worker 0, on CUDA the wall clock: a run can be paused
(SIGSTOP), or stopped and resumed. To end early, write a number of minutes to RUN/finish: the learning rate
decays over them.
"""

import argparse
import collections
import contextlib
import datetime
import math
import os
import pathlib
import subprocess
import sys
import time

import cv2
import numpy as np
import torch
import torch.distributed as dist

import graphs
import live
import model as micro
import muon
import sampling
import steps

WARM_UP = 0.02  # WARM_UP and DECAY are fractions of the stage
DECAY = 0.4
MEAN_OVER = 0.88  # decay of the running mean per exchange
SCENES = 100_000  # number of --live scene seeds per --seed


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path, help="folder of the run: state, weights, log")
    scenes = parser.add_mutually_exclusive_group(required=True)
    scenes.add_argument("--pool", type=pathlib.Path, help="folder of clips that pool.py rendered")
    scenes.add_argument(
        "--live", type=int, metavar="PROCESSES", help="render clips of 24 frames while training"
    )
    parser.add_argument("--held", type=int, default=3000, help="scenes of --live on the device, 8 MB each")
    parser.add_argument(
        "--init", type=pathlib.Path, help="weights to start from (.pt or .safetensors); else random"
    )
    parser.add_argument(
        "--init-only", default="", metavar="PREFIX", help="load only weights with this name prefix"
    )
    parser.add_argument("--head-start", action="store_true", help="initialise attention as positional")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument(
        "--clips", type=float, default=0.0, help="fraction of steps on clips; the others are on images"
    )
    parser.add_argument(
        "--places", type=float, default=0.0, help="fraction of steps that train prompt positions alone"
    )
    parser.add_argument(
        "--frames", type=int, nargs=2, default=(4, 8), help="shortest and longest clip, in frames"
    )
    parser.add_argument(
        "--vanish", type=float, default=0.4, help="fraction of clips whose target disappears and returns"
    )
    parser.add_argument("--touch", type=float, default=0.0, help="fraction with the target next to its twin")
    parser.add_argument(
        "--thin", type=float, default=0.0, help="fraction of images that prompt only thin objects"
    )
    parser.add_argument(
        "--hard", type=float, default=0.0, help="fraction of draws weighted by the errors of lack.py"
    )
    parser.add_argument(
        "--drawn",
        type=float,
        nargs=2,
        help="fractions of images and of clips from drawn parts of the pool (else by their number); with"
        " --live the first is the fraction of scenes (else 0.35)",
    )
    parser.add_argument("--things", type=pathlib.Path, help="things.zip of assets.py, for --live")
    parser.add_argument("--images-per-step", type=int, default=10)
    parser.add_argument(
        "--clips-per-step", type=int, default=2, help="batch of the shortest clips; smaller for longer ones"
    )
    parser.add_argument("--objects", type=int, nargs=2, default=(5, 3), help="objects per image and per clip")
    parser.add_argument(
        "--smallest",
        type=float,
        nargs=2,
        default=(0.02, 0.005),
        help="smallest object area: at the start, at the end",
    )
    parser.add_argument("--lr", type=float, default=6e-4)
    parser.add_argument("--muon", action="store_true", help="Muon for matrices, AdamW for the rest")
    parser.add_argument(
        "--minutes", type=float, default=25, help="processor time of worker 0 (CUDA: wall clock)"
    )
    parser.add_argument("--sync", type=float, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--graphs", action="store_true", help="CUDA graphs; clip lengths are only the two of --frames"
    )
    parser.add_argument(
        "--compile", action="store_true", help="compile losses and memory encoder: a minute, then faster"
    )
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.live and (args.head_start or args.hard or args.workers > 1):
        parser.error("--live: not with --head-start or --hard, and for --workers 1")
    if args.live and args.held <= live.GUARD:
        parser.error(f"--held: more than {live.GUARD}")
    if args.graphs and args.places:
        parser.error("--graphs: not with --places")
    return args


class Schedule:
    """Learning rate and smallest object area over a stage that may be shortened."""

    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.end, self.start_decay = args.minutes, args.minutes * (1 - DECAY)

    def asked(self) -> float:
        """Minutes until the requested end, from RUN/finish, else infinity. Worker 0 reads it for all."""
        path = self.args.run / "finish"
        if self.args.rank or not path.exists():
            return math.inf
        left = float(path.read_text() or 0)
        path.unlink()
        return left

    def end_in(self, left: float, now: float) -> None:
        if left < math.inf:
            self.end = min(self.end, now + left)
            self.start_decay = min(self.start_decay, now)

    def rate(self, now: float) -> float:
        warm = min(1.0, 0.05 + now / (WARM_UP * self.args.minutes))
        decay = (
            1.0
            if now < self.start_decay
            else max(0.03, (self.end - now) / (self.end - self.start_decay + 1e-9))
        )
        return self.args.lr * warm * decay

    def smallest(self, now: float) -> float:
        first, last = self.args.smallest
        return last + (first - last) * max(0.0, 1 - 2 * now / self.args.minutes)


class Exchange:
    """Averages weights and moments over the workers, as one vector."""

    def __init__(self, model, optimizers, workers: int):
        self.model, self.optimizers, self.workers = model, optimizers, workers

    def average(self, done: int, now: float, left: float) -> tuple[int, float, float]:
        """Averages; returns the total number of steps and the two times of worker 0."""
        if self.workers == 1:
            return done, now, left
        first = dist.get_rank() == 0
        head = torch.tensor([done, now if first else 0, left if first else 0], dtype=torch.float32)
        dist.all_reduce(head)
        tensors = []
        for p in self.model.parameters():
            state = next(o.state[p] for o in self.optimizers if p in o.state)
            tensors += [p.data] + [
                state[k] for k in ("exp_avg", "exp_avg_sq", "momentum_buffer") if k in state
            ]
        flat = torch.cat([t.flatten().float().cpu() for t in tensors]) * (done / head[0])
        dist.all_reduce(flat)
        at = 0
        for t in tensors:
            t.copy_(flat[at : at + t.numel()].view_as(t))
            at += t.numel()
        return int(head[0]), head[1].item(), head[2].item()


def optimizers(model, args: argparse.Namespace) -> list:
    """AdamW, or Muon for matrices and AdamW for the rest. Creates the moments, which workers average."""
    matrices, rest = [], []
    for p in model.parameters():
        (matrices if args.muon and p.ndim == 2 and min(p.shape) >= 16 else rest).append(p)
        p.grad = torch.zeros_like(p)
    settings = {"weight_decay": 0.02, "betas": (0.9, 0.98), "fused": True, "capturable": args.graphs}
    made = [torch.optim.AdamW(rest, lr=0.0, **settings)]
    if matrices:
        made.append(muon.Muon(matrices, lr=0.0, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"))
    for optimizer in made:
        for group in optimizer.param_groups if args.graphs else ():
            group["lr"] = torch.zeros((), device=group["params"][0].device)
        optimizer.step()
    return made


class Run:
    """One worker's model, optimizers and pool."""

    def __init__(self, args: argparse.Namespace):
        self.args, self.rank = args, args.rank
        scenes = None
        if args.live:
            drawn = args.drawn[0] if args.drawn else 0.35
            scenes = live.Live(args.size, args.live, args.held, SCENES * args.seed, args.things, drawn)
        self.device = torch.device(
            "cuda" if torch.cuda.is_available() else "cpu"
        )  # live.Live forks before CUDA is initialised
        if args.graphs and self.device.type != "cuda":
            raise SystemExit("--graphs: there is no CUDA here")
        torch.manual_seed(args.seed)
        self.model = micro.build(args.size).to(self.device).train()
        self.optimizers = optimizers(self.model, args)
        self.minutes, self.steps = 0.0, 0
        state = args.run / "state.pt"
        if state.exists():
            self.resume(torch.load(state, map_location=self.device))
        else:
            self.begin()
        self.rng = np.random.default_rng([args.seed, self.rank, self.steps])
        torch.manual_seed(int(self.rng.integers(2**63)))
        if args.compile:
            steps.mask_losses = torch.compile(steps.mask_losses, dynamic=False)
            self.model.memory_encoder.compile(dynamic=False)
        vanish = args.vanish if args.clips else 0.0
        if scenes:
            self.pool = scenes
            self.pool.open(self.device, self.rng, vanish, args.touch, args.thin)
        else:
            self.pool = sampling.Pool(
                args.pool, args.size, self.rng, vanish, args.touch, args.thin, args.hard, args.drawn
            )
        if args.graphs:
            micro.without_copies(self.device)
            self.gradients = graphs.Captured(self.gradients, self.pool.quiet)
            self.learn = graphs.Captured(self.learn, self.pool.quiet)

    def resume(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.mean, self.minutes, self.steps = state["mean"], state["minutes"], state["steps"]

    def begin(self) -> None:
        args = self.args
        if args.init:
            kept = {k: v for k, v in micro.load(args.init).items() if k.startswith(args.init_only)}
            self.model.load_state_dict(kept, strict=not args.init_only)
        if args.head_start:
            pool = sampling.Pool(args.pool, args.size, np.random.default_rng(args.seed))
            frames, *_ = pool.batch(8, 1, 1, 0.0)
            micro.head_start(self.model, frames[:, 0].to(self.device))
        self.mean = {k: v.detach().clone() for k, v in self.model.state_dict().items()}

    def step(self, smallest: float) -> dict:
        """One training step on a new batch; returns scores by name."""
        args, rng = self.args, self.rng
        places = rng.random() < args.places
        clips = not places and rng.random() < args.clips
        if clips:
            kind = f"clip {rng.choice(['click', 'box', 'mask'], p=[0.4, 0.25, 0.35])}"
            length = int(
                rng.choice(args.frames) if args.graphs else rng.integers(args.frames[0], args.frames[1] + 1)
            )
            batch = max(1, args.clips_per_step * args.frames[0] // length)
        else:
            kind = "place" if places else rng.choice(["image", "image again"])
            length, batch = 1, args.images_per_step
        made = self.pool.batch(batch, length, args.objects[int(clips)], smallest)
        found = self.gradients(kind, *(tensor.to(self.device) for tensor in made))
        self.learn("")
        prefix = "" if kind.startswith("image") else kind.split()[0] + " "
        return {prefix + k: v for k, v in found.items()}

    def gradients(self, kind: str, frames: torch.Tensor, masks: torch.Tensor, things: torch.Tensor) -> dict:
        """Writes the gradients of one batch's loss to the parameters; returns loss and scores by name."""
        what, _, how = kind.partition(" ")
        if what == "place":
            loss, found = steps.place_step(self.model, frames, 8, self.rng)
        elif what == "image":
            loss, found = steps.image_step(self.model, frames, masks, things, how == "again")
        else:
            loss, found = steps.clip_step(self.model, frames, masks, how)
        self.model.zero_grad(set_to_none=False)
        loss.backward()
        return {"loss": loss.detach(), **found}

    def learn(self, _: str) -> dict:
        """One step of the optimizers. The argument is the kind for graphs.Captured; there is only one."""
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        return {}

    def set_rate(self, rate: float) -> None:
        for group in (g for o in self.optimizers for g in o.param_groups):
            if self.args.graphs:
                group["lr"].fill_(rate)  # captured graphs read this tensor
            else:
                group["lr"] = rate

    def save(self, now: float) -> None:
        weights = self.model.state_dict()
        if not all(v.isfinite().all() for v in weights.values()):
            raise SystemExit(f"{self.args.run}: weights are not finite; state.pt is the last good state")
        for k, v in weights.items():
            self.mean[k].mul_(MEAN_OVER).add_(v, alpha=1 - MEAN_OVER)
        state = {"model": weights, "optimizers": [o.state_dict() for o in self.optimizers], "mean": self.mean}
        torch.save(state | {"minutes": now, "steps": self.steps}, self.args.run / "state.tmp")
        os.replace(self.args.run / "state.tmp", self.args.run / "state.pt")
        micro.export(self.mean, self.args.run)


def work(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high")  # TF32 on CUDA
    cv2.setNumThreads(1)
    if args.workers > 1:
        store = dist.FileStore(str(args.run / f"store-{os.getppid()}"), args.workers)
        patience = datetime.timedelta(days=1)
        dist.init_process_group(
            "gloo", store=store, rank=args.rank, world_size=args.workers, timeout=patience
        )
    run = Run(args)
    schedule, exchange = Schedule(args), Exchange(run.model, run.optimizers, args.workers)
    clock = time.time if run.device.type == "cuda" else time.process_time
    began, offset, now = clock(), run.minutes, run.minutes
    while now < schedule.end:
        run.set_rate(schedule.rate(now))
        until, done, scores = time.time() + args.sync, 0, collections.defaultdict(list)
        while time.time() < until or not done:
            for name, value in run.step(schedule.smallest(now)).items():
                scores[name].append(value)
            done += 1
        scores = {
            k: torch.stack(v).nanmean().item() for k, v in sorted(scores.items())
        }  # synchronises with the device
        now = offset + (clock() - began) / 60
        all_done, now, left = exchange.average(done, now, schedule.asked())
        run.steps += all_done
        run.pool.refresh()
        schedule.end_in(left, now)
        if args.rank == 0:
            run.save(now)
            line = f"{now:6.2f}/{schedule.end:.0f} min  step {run.steps}  "
            line += "  ".join(f"{k} {v:.3f}" for k, v in scores.items())
            line += f"  scenes {run.pool.written}" if args.live else ""
            with open(args.run / "log.txt", "a") as log:
                print(line, file=log)
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
    if args.workers > 1:
        dist.barrier()


def main() -> None:
    args = arguments()
    if args.rank is not None:
        work(args)
        return
    args.run.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, *sys.argv]
    workers = []
    for rank in range(args.workers):
        # The workers repeat the exact command line, so that `ps` shows which run they belong to.
        before = (lambda: os.nice(5)) if rank else None
        workers.append(subprocess.Popen([*command, "--rank", str(rank)], preexec_fn=before))
    with contextlib.suppress(KeyboardInterrupt):
        codes = [w.wait() for w in workers]
        sys.exit(max(codes))


if __name__ == "__main__":
    main()
