// What the page knows of a photo or clip: objects, prompts, masks, and what can be undone.

/** The colour of an object in the palette of DAVIS, which palette PNGs have. */
export function paletteOf(number) {
    const rgb = [0, 0, 0];
    for (let bit = 0, index = number & 255; bit < 8; bit++, index >>= 3) {
        for (const c of [0, 1, 2]) rgb[c] |= ((index >> c) & 1) << (7 - bit);
    }
    return hex(rgb);
}

/** The same at full brightness, as overlays tint with it. */
export function colourOf(number) {
    const rgb = [1, 3, 5].map((at) => parseInt(paletteOf(number).slice(at, at + 2), 16));
    return hex(rgb.map((value) => Math.round((value * 255) / Math.max(1, ...rgb))));
}

const hex = (rgb) => `#${rgb.map((value) => value.toString(16).padStart(2, "0")).join("")}`;

/** A prompt that points at nothing. */
export const nothing = () => ({ points: [], labels: [], box: null, candidate: null });
export const isEmpty = (prompt) => prompt.points.length === 0 && !prompt.box;

export class Medium {
    constructor(entry) {
        Object.assign(this, entry);
        this.frame = 0;
        this.current = 1;
        this.objects = new Map();
        this.prompts = new Map(); // frame → object → prompt
        this.masks = new Map(); // frame → object → mask
        this.undone = [];
        this.done = [];
        this.add(1);
    }

    add(number) {
        if (!this.objects.has(number)) {
            this.objects.set(number, { name: `object ${number}`, color: colourOf(number), visible: true });
        }
        return this.objects.get(number);
    }

    prompt(frame = this.frame, object = this.current) {
        return this.prompts.get(frame)?.get(object) ?? nothing();
    }

    /** Keeps a step, of changes {frame, object, before, after}, to be undone. */
    record(step) {
        this.done.push(step);
        this.undone.length = 0;
    }

    setPrompt(frame, object, prompt) {
        if (!this.prompts.has(frame)) this.prompts.set(frame, new Map());
        if (isEmpty(prompt)) this.prompts.get(frame).delete(object);
        else this.prompts.get(frame).set(object, prompt);
        if (this.prompts.get(frame).size === 0) this.prompts.delete(frame);
    }

    /** Takes over masks of a frame; an object without a run length has none there. */
    setMasks(frame, masks, whole = false) {
        if (whole || !this.masks.has(frame)) this.masks.set(frame, new Map());
        const known = this.masks.get(frame);
        for (const mask of masks) {
            this.add(mask.obj_id);
            if (mask.rle) known.set(mask.obj_id, mask);
            else known.delete(mask.obj_id);
        }
    }

    mask(object = this.current, frame = this.frame) {
        return this.masks.get(frame)?.get(object);
    }

    /** Forgets an object and returns its prompts, {frame, prompt}. */
    drop(object) {
        const prompts = [];
        for (const [frame, of] of [...this.prompts]) {
            if (of.has(object)) prompts.push({ frame, prompt: of.get(object) });
            this.setPrompt(frame, object, nothing());
        }
        for (const of of this.masks.values()) of.delete(object);
        this.objects.delete(object);
        if (this.objects.size === 0) this.add(1);
        if (!this.objects.has(this.current)) this.current = [...this.objects.keys()].pop();
        return prompts;
    }

    /** The number for a new object: the lowest that no prompt uses. */
    next() {
        const used = new Set([...this.prompts.values()].flatMap((of) => [...of.keys()]));
        for (let number = 1; number <= 255; number++) if (!used.has(number)) return number;
        return null;
    }

    /** Frames with a prompt, in order. */
    prompted() {
        return [...this.prompts.keys()].sort((a, b) => a - b);
    }
}

/** A prompt with one change. */
export const withPoint = (prompt, point, label) => ({
    ...prompt,
    points: [...prompt.points, point],
    labels: [...prompt.labels, label],
    candidate: null,
});
export const withoutPoint = (prompt, index) => ({
    ...prompt,
    points: prompt.points.filter((_, i) => i !== index),
    labels: prompt.labels.filter((_, i) => i !== index),
    candidate: null,
});
export const withBox = (prompt, box) => ({ ...prompt, box, candidate: null });
