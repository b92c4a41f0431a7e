// The page: controls, keys, and its beginning.

import * as api from "./api.js";
import { exportAs, uploadAll } from "./files.js";
import { keyboard, pointer } from "./input.js";
import { nextObject, objectActions } from "./objects.js";
import { fail, lists, media, mode, page, view } from "./page.js";
import * as panels from "./panels.js";
import { change, choiceKey, chooseCandidate, pointerActions, undo } from "./prompts.js";
import { open, pause, play, seek } from "./seek.js";
import { isEmpty, Medium, nothing, withBox, withPoint } from "./store.js";
import { choose } from "./tools.js";
import { connected, events, stop, track } from "./tracking.js";

const { $, say } = panels;

function toggle(id, on) {
    $(id).setAttribute("aria-pressed", on);
    return on;
}

function showHelp(on) {
    $("help").hidden = !on;
    $("help-open").setAttribute("aria-expanded", on);
}

function clearObject() {
    if (page.medium && !isEmpty(page.medium.prompt())) change(page.medium.current, nothing());
}

const step = (by) => {
    pause();
    seek(page.medium.frame + by);
};
const toPrompt = (direction) => {
    const all = page.medium?.prompted() ?? [];
    const next =
        direction > 0 ? all.find((n) => n > page.medium.frame) : all.findLast((n) => n < page.medium.frame);
    if (next !== undefined) {
        pause();
        seek(next);
    }
};
const togglePreview = () => {
    mode.preview = toggle("preview", !mode.preview);
};
const togglePatterns = () => {
    view.patterns = toggle("patterns", !view.patterns);
    view.draw();
};
const fit = () => {
    view.fit();
    view.draw();
};
const middle = () => [view.canvas.clientWidth / 2, view.canvas.clientHeight / 2];

function moveCrosshair(dx, dy, by) {
    const [x, y] = view.crosshair;
    const cut = (value, most) => Math.min(most - 0.5, Math.max(0.5, value));
    view.crosshair = [cut(x + dx * by, page.medium.width), cut(y + dy * by, page.medium.height)];
    view.draw();
    say(`crosshair at ${Math.floor(view.crosshair[0])}, ${Math.floor(view.crosshair[1])}`);
}

let corner = null; // of a box, set by the keyboard
const onPicture = () => document.activeElement === view.canvas;
const arrow = (dx, dy, by) => () => {
    if (view.crosshair) return moveCrosshair(dx, dy, by * 2);
    if (!page.medium || page.medium.kind !== "clip" || dx === 0) return false;
    step(dx * by);
};
const setPoint = (label) => {
    if (!view.crosshair) return false;
    change(page.medium.current, withPoint(page.medium.prompt(), [...view.crosshair], label));
};

const keys = {
    "Ctrl+z": () => undo(page.medium.done, page.medium.undone, "before"),
    "Ctrl+Shift+z": () => undo(page.medium.undone, page.medium.done, "after"),
    "Ctrl+y": () => undo(page.medium.undone, page.medium.done, "after"),
    Delete: clearObject,
    Backspace: clearObject,
    n: nextObject,
    Enter: () => (view.crosshair ? setPoint(1) : nextObject()),
    x: () => setPoint(0),
    b() {
        if (!view.crosshair) return choose(mode.tool === "box" ? "add" : "box");
        if (!corner) {
            corner = view.crosshair;
            return say("first corner of the box is set; B again sets the other");
        }
        const [[x0, y0], [x1, y1]] = [corner, view.crosshair];
        corner = null;
        change(
            page.medium.current,
            withBox(page.medium.prompt(), [
                Math.min(x0, x1),
                Math.min(y0, y1),
                Math.max(x0, x1),
                Math.max(y0, y1),
            ]),
        );
    },
    c() {
        view.crosshair =
            view.crosshair || !page.medium ? null : [page.medium.width / 2, page.medium.height / 2];
        view.canvas.focus();
        view.draw();
        say(
            view.crosshair
                ? "crosshair: arrows move it, Enter sets a point, X excludes, B sets corners of a box"
                : "crosshair off",
        );
    },
    Tab() {
        if (!onPicture() || page.choices.key !== choiceKey() || page.choices.list.length < 2) return false;
        chooseCandidate((page.choices.chosen + 1) % page.choices.list.length);
    },
    t: () => track("forward"),
    "Shift+t": () => track("reverse"),
    Escape() {
        if ($("export").open) $("export").open = false;
        else if (!$("help").hidden) showHelp(false);
        else if (view.crosshair) keys.c();
        else stop();
    },
    " ": (event) => {
        if (event.repeat) return;
        mode.space = true;
    },
    ArrowLeft: arrow(-1, 0, 1),
    ArrowRight: arrow(1, 0, 1),
    "Shift+ArrowLeft": arrow(-1, 0, 10),
    "Shift+ArrowRight": arrow(1, 0, 10),
    ArrowUp: arrow(0, -1, 1),
    ArrowDown: arrow(0, 1, 1),
    "Shift+ArrowUp": arrow(0, -1, 10),
    "Shift+ArrowDown": arrow(0, 1, 10),
    Home: () => {
        pause();
        seek(0);
    },
    End: () => {
        pause();
        seek(page.medium.frames - 1);
    },
    "[": () => toPrompt(-1),
    "]": () => toPrompt(1),
    "+": () => view.zoom(1.25, middle()),
    "=": () => view.zoom(1.25, middle()),
    "-": () => view.zoom(0.8, middle()),
    0: fit,
    h: togglePreview,
    p: togglePatterns,
    e() {
        $("export").open = true;
        showFormats();
        $("formats").querySelector("button")?.focus();
    },
    "?": () => showHelp($("help").hidden),
};
for (let digit = 1; digit <= 9; digit++) {
    keys[digit] = () => {
        const number = [...page.medium.objects.keys()][digit - 1];
        if (number) objectActions.choose(number);
    };
}
keyboard(
    Object.fromEntries(
        Object.entries(keys).map(([name, call]) => [name, (event) => (page.medium ? call(event) : false)]),
    ),
);
let panned = false;
view.canvas.addEventListener("pointerdown", () => {
    panned = true;
    $("stage").classList.add("by-pointer");
});
window.addEventListener("keydown", (event) => {
    if (event.key === " " && !event.repeat) panned = false;
    $("stage").classList.toggle(
        "by-pointer",
        event.key !== "Tab" && $("stage").classList.contains("by-pointer"),
    );
    $("stage").classList.toggle("panning", mode.space);
});
window.addEventListener("keyup", (event) => {
    if (event.key !== " " || !mode.space) return;
    mode.space = false;
    $("stage").classList.remove("panning");
    if (!panned) play();
});

for (const [id, call] of Object.entries({
    "tool-add": () => choose("add"),
    "tool-remove": () => choose("remove"),
    "tool-box": () => choose("box"),
    undo: keys["Ctrl+z"],
    redo: keys["Ctrl+Shift+z"],
    clear: clearObject,
    "new-object": nextObject,
    preview: togglePreview,
    patterns: togglePatterns,
    fit,
    first: keys.Home,
    last: keys.End,
    prev: () => step(-1),
    next: () => step(1),
    play,
    track: () => track("forward"),
    "track-back": () => track("reverse"),
    "track-both": () => track("both"),
    stop,
    "help-open": () => showHelp($("help").hidden),
}))
    $(id).addEventListener("click", () => (page.medium || id === "help-open") && call());

function showFormats() {
    panels.formats(page.info?.formats ?? [], page.medium, exportAs);
}

$("export").addEventListener("toggle", showFormats);
$("choose").addEventListener("change", (event) => {
    uploadAll([...event.target.files]);
    event.target.value = "";
});
for (const name of ["dragenter", "dragover"]) {
    window.addEventListener(name, (event) => {
        event.preventDefault();
        document.body.classList.add("over");
    });
}
window.addEventListener(
    "dragleave",
    (event) => !event.relatedTarget && document.body.classList.remove("over"),
);
window.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    uploadAll([...event.dataTransfer.files]);
});

pointer(view, mode, pointerActions);
api.listen(events, connected);

async function begin() {
    panels.help();
    try {
        page.info = await api.get("/info");
        $("write-label").hidden = !page.info.allow_write;
        $("model").textContent = `${page.info.model} · ${page.info.threads} threads`;
        for (const entry of await api.get("/media")) media.set(entry.id, new Medium(entry));
    } catch (error) {
        return fail(error);
    }
    lists();
    const first = media.values().next().value;
    if (first) await open(first);
}
begin();
