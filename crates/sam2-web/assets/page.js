// What the page shows, and what its parts share.

import * as api from "./api.js";
import { objectActions } from "./objects.js";
import * as panels from "./panels.js";
import { choiceKey, showChoices } from "./prompts.js";
import { open, pause, seek } from "./seek.js";
import { isEmpty } from "./store.js";
import { Timeline } from "./timeline.js";
import { View } from "./view.js";

const { $, say } = panels;

export const mode = { tool: "add", preview: true, space: false, playing: 0 };
export const media = new Map();
/** The masks of no click. */
export function noChoices() {
    return { key: "", list: [], chosen: 0 };
}

export const page = {
    info: null,
    medium: null,
    picture: null,
    preview: null, // mask under the pointer
    dragged: null, // box that is being drawn
    choices: noChoices(), // the three masks of a single click
    encoding: null, // medium and frame, "id:n"
    job: null,
    seq: 0,
    decodeMs: 0,
};
export const view = new View($("canvas"));
const timeline = new Timeline($("lanes"), (frame) => {
    pause();
    seek(frame);
});

export function show() {
    if (!page.medium) return;
    const masks = page.medium.masks.get(page.medium.frame) ?? new Map();
    const { color } = page.medium.add(page.medium.current);
    const candidate = page.choices.key === choiceKey() ? page.choices.list[page.choices.chosen] : null;
    view.show({
        width: page.medium.width,
        height: page.medium.height,
        picture: page.picture,
        color,
        masks: [...masks]
            .filter(([number]) => page.medium.objects.get(number)?.visible)
            .map(([number, mask]) => ({
                rle: number === page.medium.current && candidate ? candidate.rle : mask.rle,
                color: page.medium.objects.get(number).color,
                number,
            })),
        prompt: page.medium.prompt(),
        box: page.dragged,
        preview: page.preview,
    });
    const isClip = page.medium.kind === "clip";
    $("time").hidden = !isClip;
    if (isClip) {
        timeline.show(page.medium);
        const digits = String(page.medium.frames - 1).length;
        const number = (value) => String(value).padStart(digits, "0");
        $("frame").textContent = `${number(page.medium.frame)} / ${number(page.medium.frames - 1)}`;
    }
    $("title").textContent = page.medium.name;
    $("where").textContent = `${page.medium.width}×${page.medium.height}`;
    panels.scores(page.medium.mask());
    $("undo").disabled = page.medium.done.length === 0;
    $("redo").disabled = page.medium.undone.length === 0;
    $("clear").disabled = isEmpty(page.medium.prompt());
    const prompted = page.medium.prompts.size > 0;
    for (const id of ["track", "track-back", "track-both"]) $(id).disabled = !prompted || page.job !== null;
}

export function lists() {
    panels.files([...media.values()], page.medium, open);
    $("empty").hidden = media.size > 0;
    if (page.medium) panels.objects(page.medium, objectActions);
    showChoices();
    show();
}

export function fail(error) {
    say(error instanceof api.Refused ? error.message : `this page failed: ${error}`, { bad: true });
}
