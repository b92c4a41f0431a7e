// The picture: frame, masks, prompts, crosshair; zoom and pan.

import { decode, outline } from "./rle.js";

const MASKS_KEPT = 64;
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];

export class View {
    constructor(canvas) {
        this.canvas = canvas;
        this.context = canvas.getContext("2d");
        this.scale = 1;
        this.offset = [0, 0];
        this.fitted = true;
        this.decoded = new Map(); // counts → {mask, path, tints}
        this.crosshair = null;
        this.patterns = false;
        this.scene = null;
        this.requested = false;
        new ResizeObserver(() => this.resize()).observe(canvas);
    }

    resize() {
        const ratio = window.devicePixelRatio || 1;
        const { clientWidth: w, clientHeight: h } = this.canvas;
        if (!w || !h) return;
        [this.canvas.width, this.canvas.height] = [Math.round(w * ratio), Math.round(h * ratio)];
        if (this.fitted) this.fit();
        this.paint();
    }

    /** Shows the whole picture. */
    fit() {
        this.fitted = true;
        if (!this.scene) return;
        const { clientWidth: w, clientHeight: h } = this.canvas;
        const { width, height } = this.scene;
        this.scale = Math.max(1e-3, Math.min((w - 24) / width, (h - 24) / height));
        this.offset = [(w - width * this.scale) / 2, (h - height * this.scale) / 2];
    }

    zoom(factor, [x, y]) {
        const scale = Math.min(64, Math.max(0.02, this.scale * factor));
        const by = scale / this.scale;
        this.offset = [x - (x - this.offset[0]) * by, y - (y - this.offset[1]) * by];
        this.scale = scale;
        this.fitted = false;
        this.draw();
    }

    pan(dx, dy) {
        this.offset = [this.offset[0] + dx, this.offset[1] + dy];
        this.fitted = false;
        this.draw();
    }

    /** Where a place of the canvas, CSS pixels, is in the picture. */
    toPicture([x, y]) {
        return [(x - this.offset[0]) / this.scale, (y - this.offset[1]) / this.scale];
    }

    toCanvas([x, y]) {
        return [x * this.scale + this.offset[0], y * this.scale + this.offset[1]];
    }

    isInside([x, y]) {
        return this.scene && x >= 0 && y >= 0 && x < this.scene.width && y < this.scene.height;
    }

    /** Shows a scene: {width, height, picture, masks: [{rle, color, number}], prompts, box, preview}. */
    show(scene) {
        const other = !this.scene || this.scene.width !== scene.width || this.scene.height !== scene.height;
        this.scene = scene;
        if (other || this.fitted) this.fit();
        this.draw();
    }

    draw() {
        if (this.requested) return;
        this.requested = true;
        requestAnimationFrame(() => this.paint());
    }

    entry(rle) {
        const key = `${rle.size}:${rle.counts}`;
        let entry = this.decoded.get(key);
        if (entry) this.decoded.delete(key);
        else {
            const mask = decode(rle);
            entry = { mask, path: outline(mask), tints: new Map() };
        }
        this.decoded.set(key, entry);
        if (this.decoded.size > MASKS_KEPT) this.decoded.delete(this.decoded.keys().next().value);
        return entry;
    }

    /** The mask filled with a colour, as an image of its own box. */
    tint(entry, color) {
        if (!entry.tints.has(color)) {
            const {
                mask: {
                    data,
                    width,
                    box: [x0, y0, x1, y1],
                },
            } = entry;
            const [w, h] = [Math.max(1, x1 - x0), Math.max(1, y1 - y0)];
            const image = new ImageData(w, h);
            const rgb = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
            for (let y = 0; y < y1 - y0; y++) {
                for (let x = 0; x < x1 - x0; x++) {
                    if (data[(y + y0) * width + x + x0]) image.data.set([...rgb, 255], 4 * (y * w + x));
                }
            }
            const canvas = new OffscreenCanvas(w, h);
            canvas.getContext("2d").putImageData(image, 0, 0);
            entry.tints.set(color, canvas);
        }
        return entry.tints.get(color);
    }

    paint() {
        this.requested = false;
        const { context, canvas, scene } = this;
        const ratio = canvas.width / (canvas.clientWidth || 1);
        context.setTransform(1, 0, 0, 1, 0, 0);
        context.clearRect(0, 0, canvas.width, canvas.height);
        if (!scene) return;
        const place = () => {
            const [x, y] = this.offset;
            context.setTransform(ratio * this.scale, 0, 0, ratio * this.scale, ratio * x, ratio * y);
        };
        place();
        context.imageSmoothingEnabled = this.scale < 3;
        if (scene.picture) context.drawImage(scene.picture, 0, 0, scene.width, scene.height);
        for (const mask of scene.masks) this.paintMask(mask);
        if (scene.preview)
            this.paintOutline(this.entry(scene.preview.rle).path, scene.preview.color, [3, 3], 0.9);
        context.setTransform(ratio, 0, 0, ratio, 0, 0);
        this.paintPrompt(scene.prompt, scene.color);
        if (scene.box) this.paintBox(scene.box, scene.color);
        if (this.crosshair) this.paintCrosshair();
        this.painted?.();
    }

    paintMask({ rle, color, number }) {
        const { context } = this;
        const entry = this.entry(rle);
        const [x0, y0] = entry.mask.box;
        if (entry.mask.area === 0) return;
        const image = this.tint(entry, color);
        context.imageSmoothingEnabled = false;
        // Hue and saturation of the object, brightness of the picture: one sees what the object looks like.
        context.globalCompositeOperation = "color";
        context.globalAlpha = 0.8;
        context.drawImage(image, x0, y0);
        context.globalCompositeOperation = "source-over";
        context.globalAlpha = 0.16;
        context.drawImage(image, x0, y0);
        context.globalAlpha = 1;
        this.paintOutline(entry.path, color, this.patterns ? DASHES[(number - 1) % DASHES.length] : [], 1);
    }

    paintOutline(path, color, dashes, alpha) {
        const { context, scale } = this;
        context.globalAlpha = alpha;
        context.lineCap = context.lineJoin = "round";
        context.strokeStyle = "#fff";
        context.lineWidth = 3.5 / scale;
        context.setLineDash([]);
        if (dashes.length === 0) context.stroke(path);
        context.setLineDash(dashes.map((dash) => dash / scale));
        context.strokeStyle = color;
        context.lineWidth = 2 / scale;
        context.stroke(path);
        context.setLineDash([]);
        context.globalAlpha = 1;
    }

    paintPrompt(prompt, color) {
        if (prompt.box) this.paintBox(prompt.box, color);
        prompt.points.forEach((point, i) => {
            const { context } = this;
            const [x, y] = this.toCanvas(point);
            const on = prompt.labels[i] === 1;
            context.beginPath();
            context.arc(x, y, 7, 0, 2 * Math.PI);
            context.fillStyle = on ? "#15803d" : "#c81e1e";
            context.fill();
            context.lineWidth = 2;
            context.strokeStyle = "#fff";
            context.stroke();
            context.beginPath();
            context.moveTo(x - 3, y);
            context.lineTo(x + 3, y);
            if (on) {
                context.moveTo(x, y - 3);
                context.lineTo(x, y + 3);
            }
            context.stroke();
        });
    }

    paintBox([x0, y0, x1, y1], color) {
        const { context } = this;
        const [from, to] = [this.toCanvas([x0, y0]), this.toCanvas([x1, y1])];
        for (const [width, style] of [
            [4, "#fff"],
            [2, color],
        ]) {
            context.lineWidth = width;
            context.strokeStyle = style;
            context.strokeRect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
        }
    }

    paintCrosshair() {
        const { context, canvas } = this;
        const [x, y] = this.toCanvas(this.crosshair);
        for (const [width, style] of [
            [3, "#000"],
            [1, "#fff"],
        ]) {
            context.beginPath();
            context.lineWidth = width;
            context.strokeStyle = style;
            context.moveTo(0, y);
            context.lineTo(canvas.clientWidth, y);
            context.moveTo(x, 0);
            context.lineTo(x, canvas.clientHeight);
            context.stroke();
        }
    }
}
