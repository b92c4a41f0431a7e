// Clicks and boxes, the masks that answer them, and undoing.

import * as api from "./api.js";
import { fail, lists, mode, noChoices, page, show, view } from "./page.js";
import * as panels from "./panels.js";
import { seek } from "./seek.js";
import { isEmpty, withBox, withoutPoint, withPoint } from "./store.js";
import { choose } from "./tools.js";

const { say } = panels;
const REST_MS = 60;
const QUICK_MS = 60;

export function choiceKey() {
    if (!page.medium) return "";
    const { id, frame, current } = page.medium;
    return `${id}:${frame}:${current}:${JSON.stringify(page.medium.prompt().points)}`;
}

/** Prompts in order, one at a time: a later one for the same object and frame replaces one that waits. */
const waiting = [];
let sending = false;
function send(of, frame, object) {
    const same = waiting.find((item) => item.of === of && item.frame === frame && item.object === object);
    if (same) return same.promise;
    const item = { of, frame, object };
    item.promise = new Promise((resolve) => {
        item.resolve = resolve;
    });
    waiting.push(item);
    if (!sending) sendAll();
    return item.promise;
}

async function sendAll() {
    sending = true;
    while (waiting.length > 0) {
        const { of, frame, object, resolve } = waiting.shift();
        const prompt = of.prompt(frame, object);
        const op = isEmpty(prompt) ? "clear" : "set";
        const start = performance.now();
        try {
            const answer = await api.post(`/clips/${of.id}/prompts`, {
                frame,
                obj_id: object,
                op,
                ...prompt,
            });
            page.encoding = null;
            page.decodeMs = performance.now() - start;
            of.setMasks(answer.frame, answer.objects);
            if (op === "clear") of.masks.get(frame)?.delete(object);
            const mask = of.mask(object, frame);
            if (mask && op === "set") {
                const iou = mask.predicted_iou?.toFixed(2) ?? "–";
                const later = answer.preview ? "; preview, until tracking comes to it" : "";
                const { name } = of.objects.get(object);
                say(`${name}: predicted IoU ${iou}, ${Math.round(page.decodeMs)} ms${later}`);
            }
        } catch (error) {
            fail(error);
        }
        if (of === page.medium) show();
        resolve();
    }
    sending = false;
}

/** Changes the prompt of an object on a frame; `record` makes it undoable. */
export async function change(object, prompt, { frame = page.medium.frame, record = true } = {}) {
    const of = page.medium;
    const before = of.prompt(frame, object);
    if (record) {
        of.record({ changes: [{ frame, object, before, after: prompt }] });
    }
    of.add(object);
    of.setPrompt(frame, object, prompt);
    page.preview = null;
    page.choices = noChoices();
    performance.mark("prompt");
    show();
    await send(of, frame, object);
    view.painted = () => {
        view.painted = null;
        performance.measure("click to pixels", "prompt");
    };
    show();
    if (of === page.medium && frame === of.frame && object === of.current) await choicesOf();
}

/** Asks for the three masks of a single click. */
export async function choicesOf() {
    const prompt = page.medium.prompt();
    const key = choiceKey();
    if (prompt.points.length !== 1 || prompt.labels[0] !== 1 || prompt.box) return showChoices();
    try {
        const { points, labels } = prompt;
        const answer = await api.post(`/media/${page.medium.id}/predict`, {
            frame: page.medium.frame,
            objects: [{ obj_id: page.medium.current, points, labels, box: null }],
            multimask: true,
            seq: ++page.seq,
            preview: false,
        });
        if (key !== choiceKey()) return;
        const [{ candidates, best }] = answer.objects;
        page.choices = { key, list: candidates, chosen: prompt.candidate ?? best };
        // The best is what the server has answered with already.
        showChoices();
    } catch (error) {
        if (error.code !== "stale") fail(error);
    }
}

export function showChoices() {
    const fit = page.medium && page.choices.key === choiceKey();
    panels.candidates(fit ? page.choices.list : [], page.choices.chosen, chooseCandidate);
}

export async function chooseCandidate(i) {
    page.choices.chosen = i;
    const kept = page.choices;
    const [of, frame, object] = [page.medium, page.medium.frame, page.medium.current];
    const before = of.prompt();
    const after = { ...before, candidate: i };
    of.record({ changes: [{ frame, object, before, after }] });
    of.setPrompt(frame, object, after);
    showChoices();
    show();
    await send(of, frame, object);
    page.choices = kept;
    show();
}

export async function undo(from, to, side) {
    if (!page.medium || from.length === 0) return;
    const entry = from.pop();
    to.push(entry);
    const { changes } = entry;
    for (const step of changes) {
        if (step.object !== page.medium.current) page.medium.add(step.object);
        page.medium.current = step.object;
        if (!entry.removed && step.frame !== page.medium.frame) seek(step.frame);
        page.choices = noChoices();
        await change(step.object, step[side], { frame: step.frame, record: false });
    }
    lists();
}

const isOn = (place) => view.isInside(place);
/** What the pointer does to the picture. */
export const pointerActions = {
    click(place, label, near) {
        const prompt = page.medium.prompt();
        const at = prompt.points.findIndex(([x, y]) => Math.hypot(x - place[0], y - place[1]) <= near);
        if (at >= 0) change(page.medium.current, withoutPoint(prompt, at));
        else if (isOn(place))
            change(
                page.medium.current,
                withPoint(
                    prompt,
                    place.map((value) => Math.round(value * 10) / 10),
                    label,
                ),
            );
    },
    box(box) {
        const rounded = box.map((value) => Math.round(value * 10) / 10);
        if (rounded[2] - rounded[0] < 1 || rounded[3] - rounded[1] < 1) return;
        change(page.medium.current, withBox(page.medium.prompt(), rounded));
        if (mode.tool === "box") choose("add");
    },
    drag(box) {
        page.dragged = box;
        show();
    },
    hover,
};

let resting = 0;
function hover(place) {
    clearTimeout(resting);
    if (page.preview) {
        page.preview = null;
        show();
    }
    if (!place || !page.medium || !mode.preview || mode.playing || page.decodeMs > QUICK_MS || !isOn(place))
        return;
    resting = setTimeout(async () => {
        const [of, frame, object, mine] = [page.medium, page.medium.frame, page.medium.current, ++page.seq];
        if (!isEmpty(of.prompt())) return;
        const prompt = withPoint(of.prompt(), place, mode.tool === "remove" ? 0 : 1);
        const start = performance.now();
        try {
            const { points, labels, box } = prompt;
            const answer = await api.post(`/media/${of.id}/predict`, {
                frame,
                objects: [{ obj_id: object, points, labels, box }],
                multimask: true,
                seq: mine,
                preview: true,
            });
            page.decodeMs = performance.now() - start;
            if (
                mine !== page.seq ||
                of !== page.medium ||
                frame !== page.medium.frame ||
                object !== page.medium.current
            )
                return;
            const [{ candidates, best }] = answer.objects;
            page.preview = { rle: candidates[best].rle, color: of.objects.get(object).color };
            show();
        } catch {
            // A preview that the server drops is no fault: the next one follows.
        }
    }, REST_MS);
}
