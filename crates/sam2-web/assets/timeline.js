// The time line of a clip: a lane per object with its prompted, tracked and lost frames.

const LANE = 12;
const TOP = 8;

export class Timeline {
    constructor(canvas, seek) {
        this.canvas = canvas;
        this.seek = seek;
        this.medium = null;
        new ResizeObserver(() => this.draw()).observe(canvas);
        canvas.addEventListener("pointerdown", (event) => {
            canvas.setPointerCapture(event.pointerId);
            this.at(event, true);
        });
        canvas.addEventListener("pointermove", (event) => {
            if (canvas.hasPointerCapture(event.pointerId)) this.at(event, false);
        });
    }

    /** Goes to the frame under the pointer; a click on a lane near a prompt goes to that prompt. */
    at(event, snap) {
        if (!this.medium) return;
        const box = this.canvas.getBoundingClientRect();
        const width = box.width / this.medium.frames;
        const last = this.medium.frames - 1;
        let frame = Math.min(last, Math.max(0, Math.floor((event.clientX - box.left) / width)));
        const near = this.medium.prompted().find((other) => Math.abs(other - frame) * width <= 5);
        if (snap && near !== undefined) frame = near;
        this.seek(frame);
    }

    show(medium) {
        this.medium = medium;
        const lanes = Math.max(1, medium.objects.size);
        this.canvas.style.height = `${Math.min(120, TOP + lanes * LANE + 4)}px`;
        this.canvas.setAttribute("aria-valuemin", 0);
        this.canvas.setAttribute("aria-valuemax", medium.frames - 1);
        this.canvas.setAttribute("aria-valuenow", medium.frame);
        this.draw();
    }

    draw() {
        const { canvas, medium } = this;
        const ratio = window.devicePixelRatio || 1;
        const { clientWidth: w, clientHeight: h } = canvas;
        if (!medium || !w) return;
        [canvas.width, canvas.height] = [Math.round(w * ratio), Math.round(h * ratio)];
        const context = canvas.getContext("2d");
        context.scale(ratio, ratio);
        const style = getComputedStyle(canvas);
        const colour = (name) => style.getPropertyValue(name);
        const ink = style.color;
        context.fillStyle = colour("background-color");
        const step = w / medium.frames;
        const objects = [...medium.objects];
        const lane = Math.min(LANE, (h - TOP - 4) / Math.max(1, objects.length));
        objects.forEach(([number, { color }], row) => {
            const y = TOP + row * lane + 1;
            context.fillStyle = ink;
            context.globalAlpha = 0.1;
            context.fillRect(0, y, w, lane - 2);
            for (const [frame, masks] of medium.masks) {
                const mask = masks.get(number);
                if (!mask) continue;
                const lost = mask.state === "lost";
                context.globalAlpha = lost ? 0.35 : 0.9;
                context.fillStyle = lost ? ink : color;
                // A lost frame is thin, so that it does not rest on its colour alone.
                const tall = lost ? 2 : lane - 2;
                context.fillRect(frame * step, y + (lane - 2 - tall) / 2, Math.max(1, step + 0.5), tall);
            }
            context.globalAlpha = 1;
            for (const [frame, of] of medium.prompts) {
                if (!of.has(number)) continue;
                const x = (frame + 0.5) * step;
                const middle = y + lane / 2 - 1;
                context.beginPath();
                context.moveTo(x, middle - 5);
                context.lineTo(x + 5, middle);
                context.lineTo(x, middle + 5);
                context.lineTo(x - 5, middle);
                context.closePath();
                context.fillStyle = "#fff";
                context.fill();
                context.lineWidth = 1.5;
                context.strokeStyle = "#000";
                context.stroke();
            }
        });
        const x = (medium.frame + 0.5) * step;
        context.fillStyle = ink;
        context.fillRect(x - 1, 0, 2, h);
        context.beginPath();
        context.moveTo(x - 5, 0);
        context.lineTo(x + 5, 0);
        context.lineTo(x, 6);
        context.fill();
    }
}
