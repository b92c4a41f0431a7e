// Frames: their pictures, going to one, playing.

import * as api from "./api.js";
import { fail, lists, media, mode, page, show } from "./page.js";
import * as panels from "./panels.js";
import { showChoices } from "./prompts.js";
import { paletteOf } from "./store.js";

const { $, say } = panels;
const FRAMES_AHEAD = 8;
const FRAMES_KEPT = 48;
const SOON_MS = 200;

const frames = new Map(); // "id:n" → promise of a bitmap
function bitmap(of, n) {
    const key = `${of.id}:${n}`;
    let found = frames.get(key);
    if (found) frames.delete(key);
    else {
        found = api.frame(of.id, n);
        found.catch(() => frames.delete(key));
    }
    frames.set(key, found);
    for (const [old, image] of frames) {
        if (frames.size <= FRAMES_KEPT) break;
        frames.delete(old);
        image.then(
            (bitmap) => bitmap !== page.picture && bitmap.close(),
            () => {},
        );
    }
    return found;
}

export async function open(other) {
    pause();
    page.medium = other;
    page.picture = page.preview = page.dragged = null;
    lists();
    await seek(page.medium.frame);
    if (!page.medium.loaded) await restore(page.medium);
}

/** Takes over what the server has of a medium: objects, prompts, masks. */
async function restore(of) {
    of.loaded = true;
    try {
        const { objects, prompts } = await api.get(`/clips/${of.id}/prompts`);
        for (const { obj_id, name, color } of objects) {
            const object = of.add(obj_id);
            if (name) object.name = name;
            // The palette's own colour means that none was chosen.
            if (color && color.toLowerCase() !== paletteOf(obj_id)) object.color = color;
        }
        for (const { frame, obj_id, points, labels, box, candidate } of prompts) {
            of.setPrompt(frame, obj_id, {
                points: points ?? [],
                labels: labels ?? [],
                box: box ?? null,
                candidate: candidate ?? null,
            });
        }
        const answer = await api.get(`/clips/${of.id}/masks?from=0&to=${of.frames - 1}`);
        for (const { frame, objects: masks } of answer.frames) of.setMasks(frame, masks, true);
        of.current = Math.min(...of.objects.keys());
    } catch (error) {
        fail(error);
    }
    if (of === page.medium) lists();
}

let sought = 0;
export async function seek(frame) {
    if (!page.medium) return;
    const [of, turn] = [page.medium, ++sought];
    of.frame = Math.min(of.frames - 1, Math.max(0, frame));
    page.preview = null;
    show();
    showChoices();
    try {
        const image = await bitmap(of, of.frame);
        if (turn !== sought) return;
        page.picture = image;
        show();
        for (let n = 1; n <= FRAMES_AHEAD && of.frame + n < of.frames; n++)
            bitmap(of, of.frame + n).catch(() => {});
        if (!mode.playing) setTimeout(() => turn === sought && encode(of), of.kind === "clip" ? 250 : 0);
    } catch (error) {
        if (turn === sought) fail(error);
    }
}

async function encode(of) {
    const at = `${of.id}:${of.frame}`;
    page.encoding = at;
    // A small model is done before anybody could read this.
    setTimeout(() => {
        if (page.encoding === at && !page.job) say("encoding the picture…", { working: true });
    }, SOON_MS);
    try {
        await api.post(`/media/${of.id}/encode`, { frame: of.frame });
    } catch (error) {
        page.encoding = null;
        if (error.status !== 503) fail(error);
    }
}

export function play() {
    if (!page.medium || page.medium.kind !== "clip") return;
    if (mode.playing) return pause();
    if (page.medium.frame === page.medium.frames - 1) seek(0);
    let due = performance.now();
    const tick = async () => {
        due = Math.max(due + 1000 / (page.medium.fps || 25), performance.now() - 100);
        if (page.medium.frame >= page.medium.frames - 1) return pause();
        await seek(page.medium.frame + 1);
        if (mode.playing) mode.playing = setTimeout(tick, Math.max(0, due - performance.now()));
    };
    mode.playing = setTimeout(tick, 0);
    playing(true);
}

export function pause() {
    if (!mode.playing) return;
    clearTimeout(mode.playing);
    mode.playing = 0;
    playing(false);
    if (page.medium) encode(page.medium);
}

function playing(on) {
    $("play").replaceChildren(panels.icon(on ? "pause" : "play"));
    $("play").setAttribute("aria-label", on ? "Pause" : "Play");
}
