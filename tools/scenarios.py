"""Scripts of video sessions: prompts, passes, corrections. Goldens store them as JSON; tests replay them.

A script has a clip, options and steps. A clip is `{"gif": file under assets, "frames": [..]}`, or `{"photo":
[width, height], "frames": [[name, n], ..]}` with frame n of the synthetic image `name`. Steps, their fields,
and the masks that they return:

  points     frame, obj, points, labels, box, clear_old      all objects on the frame
  mask       frame, obj, ellipse [cx, cy, rx, ry]            all objects on the frame
  propagate  start, max, reverse                             every frame of the pass
  clear      frame, obj                                      all objects on the frame
  remove     obj                                             the frames with prompts of the object
  reset
"""


def gif(*frames: int) -> dict:
    return {"gif": "balloon.gif", "frames": list(frames)}


def photos(*frames: tuple) -> dict:
    return {"photo": [480, 270], "frames": [list(f) for f in frames]}


def click(frame: int, obj: int, x: float, y: float, label: int = 1, keep: bool = False) -> dict:
    return points(frame, obj, [(x, y)], [label], keep)


def points(frame: int, obj: int, where: list, labels: list, keep: bool = False) -> dict:
    where = [list(p) for p in where]
    return {
        "op": "points",
        "frame": frame,
        "obj": obj,
        "points": where,
        "labels": labels,
        "clear_old": not keep,
    }


def box(frame: int, obj: int, corners: tuple, where: list | None = None, labels: list | None = None) -> dict:
    step = {"op": "points", "frame": frame, "obj": obj, "box": list(corners), "clear_old": True}
    return step | ({"points": [list(p) for p in where], "labels": labels} if where else {})


def mask(frame: int, obj: int, cx: int, cy: int, rx: int, ry: int) -> dict:
    return {"op": "mask", "frame": frame, "obj": obj, "ellipse": [cx, cy, rx, ry]}


def propagate(start: int | None = None, max: int | None = None, reverse: bool = False) -> dict:
    return {"op": "propagate", "start": start, "max": max, "reverse": reverse}


def clear(frame: int, obj: int) -> dict:
    return {"op": "clear", "frame": frame, "obj": obj}


def remove(obj: int) -> dict:
    return {"op": "remove", "obj": obj}


RESET = {"op": "reset"}
AS_COND = {"add_all_frames_to_correct_as_cond": True}
FIVE = gif(0, 4, 8, 12, 16)
NINE = gif(*range(0, 27, 3))
TWELVE = gif(*range(0, 24, 2))


def script(clip: dict, *steps: dict, **options) -> dict:
    return {"clip": clip, "options": options, "steps": list(steps)}


# Clicks on the green balloon by frame of assets/balloon.gif. It is object 1; object 2 is the magenta balloon
# or the tower.
GREEN = {
    0: (58.0, 100.0),
    3: (75.0, 104.0),
    4: (80.0, 106.0),
    6: (95.0, 100.0),
    9: (95.0, 95.0),
    18: (224.0, 100.0),
    24: (245.0, 100.0),
}

CORRECTION = (
    click(0, 1, 58.0, 100.0),
    propagate(max=6),
    points(4, 1, [(224.0, 60.0), (90.0, 100.0)], [0, 1]),
    propagate(start=5, max=1),  # the corrected frame is a memory
    propagate(start=3, max=3),  # and is replaced when the pass reaches it
    box(0, 1, (4.0, 40.0, 112.0, 158.0)),  # on the first prompt's frame
    propagate(),
)

DEMO = {
    "click": script(FIVE, click(0, 1, 58.0, 100.0), propagate()),
    "box": script(FIVE, box(0, 1, (5.0, 41.0, 110.0, 180.0)), propagate()),
    "box_click": script(FIVE, box(0, 1, (2.0, 30.0, 118.0, 182.0), [(57.0, 170.0)], [0]), propagate(max=2)),
    "mask": script(FIVE, mask(0, 1, 57, 98, 49, 56), propagate()),
    "two_clicks_anew": script(FIVE, click(0, 1, 58.0, 100.0), click(0, 1, 57.0, 172.0, 0), propagate(max=2)),
    "two_clicks_added": script(
        FIVE,
        click(0, 1, 58.0, 100.0),
        click(0, 1, 57.0, 172.0, 0, keep=True),
        click(0, 1, 30.0, 90.0, keep=True),
        propagate(max=2),
        fill_hole_area=8,
    ),
    "mask_then_click": script(FIVE, mask(0, 1, 57, 98, 42, 45), click(0, 1, 58.0, 100.0), propagate(max=2)),
    "click_then_mask": script(FIVE, click(0, 1, 58.0, 100.0), mask(0, 1, 57, 98, 49, 56), propagate(max=2)),
    "two_cond": script(
        NINE,
        click(0, 1, 58.0, 100.0),
        box(7, 1, (203.0, 40.0, 285.0, 185.0)),
        propagate(),
        propagate(start=6, reverse=True),
    ),
    "second_object_later": script(
        NINE,
        click(0, 1, 58.0, 100.0),
        propagate(max=5),
        click(4, 2, 260.0, 52.0),  # this object was never tracked, so this is a first prompt
        propagate(),
        propagate(start=4, max=4, reverse=True),
    ),
    "reverse": script(NINE, click(8, 1, 245.0, 100.0), propagate(reverse=True)),
    "reverse_from_first": script(FIVE, click(0, 1, 58.0, 100.0), propagate(reverse=True), propagate(max=1)),
    "forward_then_reverse": script(NINE, click(2, 1, 90.0, 100.0), propagate(), propagate(reverse=True)),
    "reverse_then_forward": script(NINE, click(6, 1, 224.0, 100.0), propagate(reverse=True), propagate()),
    "window": script(
        TWELVE,
        click(3, 1, 92.0, 104.0),
        propagate(start=5, max=3),
        propagate(start=6, max=0),
        propagate(start=4, max=2, reverse=True),
        propagate(start=0, max=2),
    ),
    "correction": script(NINE, *CORRECTION),
    "correction_as_cond": script(NINE, *CORRECTION, **AS_COND),
    "correction_in_reverse": script(
        NINE,
        click(7, 1, 244.0, 100.0),
        propagate(reverse=True),
        click(3, 1, 94.0, 90.0),
        propagate(start=2, reverse=True),
        **AS_COND,
    ),
    "correction_by_mask": script(
        NINE,
        click(0, 1, 58.0, 100.0),
        propagate(max=4),
        mask(2, 1, 89, 100, 43, 52),
        propagate(start=3, max=2),
        propagate(start=1, max=3),
    ),
    "correction_by_mask_as_cond": script(
        NINE,
        click(0, 1, 58.0, 100.0),
        propagate(max=4),
        mask(2, 1, 89, 100, 43, 50),
        click(2, 1, 90.0, 100.0, keep=True),
        propagate(start=1, max=3),
        **AS_COND,
    ),
    "correction_beside_a_new_object": script(
        NINE,
        click(0, 1, 58.0, 100.0),
        propagate(max=4),
        click(3, 1, 90.0, 90.0),
        click(3, 2, 265.0, 50.0),
        propagate(max=4),
    ),
    "long": script(
        gif(*range(24)), click(0, 1, 60.0, 102.0), box(0, 2, (120.0, 0.0, 214.0, 238.0)), propagate()
    ),
    "clear_before_tracking": script(
        NINE,
        click(0, 1, 58.0, 100.0),
        click(3, 1, 95.0, 90.0),
        clear(0, 1),
        click(0, 1, 57.0, 172.0),
        click(0, 1, 58.0, 100.0),
        clear(3, 1),
        propagate(max=3),
        fill_hole_area=8,
    ),
    "clear_after_tracking": script(
        NINE,
        click(0, 1, 58.0, 100.0),
        click(5, 1, 216.0, 92.0),
        propagate(),
        clear(5, 1),
        propagate(start=4, max=2),
        click(5, 1, 212.0, 112.0),  # its mask prompt is the stored logits
        propagate(start=4, max=3),
    ),
    "remove": script(
        NINE,
        click(0, 1, 58.0, 100.0),
        click(0, 2, 270.0, 48.0),
        click(2, 2, 269.0, 48.0),
        propagate(max=4),
        remove(1),
        propagate(start=3),
        click(0, 1, 58.0, 100.0),
        propagate(max=2),
    ),
    "remove_last": script(FIVE, click(0, 1, 58.0, 100.0), remove(1), click(1, 4, 88.0, 88.0), propagate()),
    "reset": script(
        FIVE,
        click(0, 1, 58.0, 100.0),
        click(0, 2, 270.0, 48.0),
        propagate(),
        RESET,
        click(1, 2, 88.0, 88.0),
        propagate(),
    ),
    "cond_limit": script(
        TWELVE,
        click(0, 1, 58.0, 100.0),
        click(3, 1, 95.0, 100.0),
        click(9, 1, 224.0, 100.0),
        click(11, 1, 240.0, 100.0),
        propagate(),
        propagate(start=8, max=4, reverse=True),
        max_cond_frames_in_attn=2,
    ),
    "cond_limit_of_three": script(
        TWELVE,
        click(0, 1, 58.0, 100.0),
        click(2, 1, 90.0, 100.0),
        click(4, 1, 100.0, 95.0),
        click(10, 1, 235.0, 100.0),
        propagate(start=5, max=5),
        max_cond_frames_in_attn=3,
    ),
    "stride": script(
        gif(*range(0, 30, 2)), click(0, 1, 58.0, 100.0), propagate(), memory_temporal_stride_for_eval=2
    ),
    "stride_in_reverse": script(
        gif(*range(0, 30, 2)),
        click(13, 1, 250.0, 100.0),
        propagate(start=13, max=11, reverse=True),
        memory_temporal_stride_for_eval=3,
    ),
    "non_overlap": script(
        FIVE,
        mask(0, 1, 80, 100, 60, 60),
        mask(0, 2, 120, 110, 60, 60),
        mask(0, 3, 240, 100, 30, 30),
        click(1, 3, 160.0, 120.0),
        propagate(max=2),
        remove(1),
        non_overlap=True,
        fill_hole_area=8,
    ),
    "clear_around_input": script(
        TWELVE,
        click(0, 1, 58.0, 100.0),
        propagate(),
        click(9, 1, 224.0, 100.0),
        propagate(start=8),
        clear_non_cond_mem_around_input=True,
        **AS_COND,
    ),
}

FOUR = photos(*[("clip.a", 4 * n) for n in range(4)])
TINY_CORRECTION = (
    click(0, 1, 140.0, 90.0),
    propagate(max=2),
    points(1, 1, [(300.0, 200.0), (150.0, 100.0)], [0, 1]),
    propagate(start=2, max=1),
    propagate(),
)
# For models with seeded weights: few frames.
SEEDED = {
    "reverse": script(FOUR, click(3, 1, 140.0, 90.0), propagate(reverse=True), propagate()),
    "correction": script(FOUR, *TINY_CORRECTION),
    "correction_as_cond": script(FOUR, *TINY_CORRECTION, **AS_COND),
    "second_object_later": script(
        FOUR, click(0, 1, 140.0, 90.0), propagate(max=2), box(2, 2, (220.0, 60.0, 400.0, 220.0)), propagate()
    ),
    "two_cond": script(
        FOUR,
        click(0, 1, 140.0, 90.0),
        click(2, 1, 160.0, 80.0),
        propagate(),
        propagate(start=2, max=1, reverse=True),
    ),
    "mask": script(
        FOUR,
        mask(1, 1, 140, 100, 60, 50),
        propagate(max=1),
        click(1, 1, 300.0, 60.0, 0),
        propagate(reverse=True),
        **AS_COND,
    ),
}
# For 1024-pixel models: every feature in as few frames as possible.
FULL_SIZE = (
    click(0, 1, 140.0, 90.0),
    propagate(max=1),
    points(1, 1, [(300.0, 200.0), (150.0, 100.0)], [0, 1]),
    box(1, 2, (220.0, 60.0, 400.0, 220.0)),
    propagate(start=1, max=1),
    propagate(start=1, reverse=True),
)
FULL = {
    "session": script(photos(*FOUR["frames"][:3]), *FULL_SIZE),
    "session_as_cond": script(photos(*FOUR["frames"][:3]), *FULL_SIZE, **AS_COND),
}
# For a model whose object score changes sign with the image: the object leaves and returns several times.
CUTS = photos(
    *[(f"clip.{which}", 6 * n) for which, n in zip("bbaabbabccbb", (0, 1, 0, 1, 2, 3, 2, 4, 0, 1, 5, 6))]
)
FICKLE = {
    "leaves_and_returns": script(
        CUTS,
        click(0, 1, 140.0, 90.0),
        box(0, 2, (220.0, 60.0, 400.0, 220.0)),
        propagate(),
        propagate(start=5, reverse=True),
        points(6, 1, [(140.0, 90.0)], [1]),  # the object is absent on this frame
        propagate(start=7, max=1),
    ),
}
