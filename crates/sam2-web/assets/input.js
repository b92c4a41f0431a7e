// Pointer and keyboard over the picture, as calls of `on`.

const NEAR = 9; // CSS pixels within which a click means a point that is there
const DRAG = 5; // CSS pixels from which a click is a drag

/** Connects the canvas: `on` has click(place, label), box(box), hover(place|null), drag(box|null). */
export function pointer(view, mode, on) {
    const { canvas } = view;
    const pointers = new Map();
    let start = null; // {place, kind}
    let corner = null; // first corner of a box made by two clicks
    const place = (event) => {
        const box = canvas.getBoundingClientRect();
        return [event.clientX - box.left, event.clientY - box.top];
    };
    const distance = ([a, b], [c, d]) => Math.hypot(a - c, b - d);
    const boxOf = (from, to) => {
        const [[x0, y0], [x1, y1]] = [view.toPicture(from), view.toPicture(to)];
        const { width, height } = view.scene;
        const cut = (value, most) => Math.min(most, Math.max(0, value));
        return [
            cut(Math.min(x0, x1), width),
            cut(Math.min(y0, y1), height),
            cut(Math.max(x0, x1), width),
            cut(Math.max(y0, y1), height),
        ];
    };

    canvas.addEventListener("pointerdown", (event) => {
        if (!view.scene) return;
        canvas.focus({ preventScroll: true });
        canvas.setPointerCapture(event.pointerId);
        pointers.set(event.pointerId, place(event));
        on.hover(null);
        if (pointers.size === 2) {
            start = { kind: "pinch" };
            on.drag(null);
        } else if (event.button === 1 || mode.space) {
            event.preventDefault();
            start = { kind: "pan" };
        } else if (event.button === 0 || event.button === 2) {
            start = { kind: "click", from: place(event), out: event.button === 2 || event.altKey };
        }
    });

    canvas.addEventListener("pointermove", (event) => {
        const now = place(event);
        const before = pointers.get(event.pointerId);
        if (!before) {
            if (corner) on.drag(boxOf(corner, now));
            else if (event.pointerType !== "touch") on.hover(view.toPicture(now));
            return;
        }
        if (start?.kind === "pan") view.pan(now[0] - before[0], now[1] - before[1]);
        if (start?.kind === "pinch" && pointers.size === 2) {
            const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
            const middle = ([a, b]) => [(a + other[0]) / 2, (b + other[1]) / 2];
            view.pan(middle(now)[0] - middle(before)[0], middle(now)[1] - middle(before)[1]);
            view.zoom(distance(now, other) / Math.max(1, distance(before, other)), middle(now));
        }
        pointers.set(event.pointerId, now);
        if (start?.kind === "click" && !start.out && distance(start.from, now) > DRAG) start.kind = "box";
        if (start?.kind === "box") on.drag(boxOf(start.from, now));
    });

    const end = (event, cancelled) => {
        const now = place(event);
        pointers.delete(event.pointerId);
        if (pointers.size > 0) return;
        const { kind, from, out } = start ?? {};
        start = null;
        if (kind === "box") {
            on.drag(null);
            if (!cancelled) on.box(boxOf(from, now));
        }
        if (kind !== "click" || cancelled) return;
        if (mode.tool === "box" && !out) {
            if (corner) on.box(boxOf(corner, now));
            on.drag(null);
            corner = corner ? null : now;
            return;
        }
        corner = null;
        on.click(view.toPicture(now), out || mode.tool === "remove" ? 0 : 1, NEAR / view.scale);
    };
    canvas.addEventListener("pointerup", (event) => end(event, false));
    canvas.addEventListener("pointercancel", (event) => end(event, true));
    canvas.addEventListener("pointerleave", () => on.hover(null));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener(
        "wheel",
        (event) => {
            event.preventDefault();
            const lines = event.deltaMode === 1 ? 16 : 1;
            view.zoom(Math.exp((-event.deltaY * lines) / 400), place(event));
        },
        { passive: false },
    );
}

/** Connects the keyboard: `keys` maps names such as "Shift+t" to calls. Fields of text keep their keys. */
export function keyboard(keys) {
    window.addEventListener("keydown", (event) => {
        const target = event.target;
        const isText = target instanceof HTMLInputElement && target.type === "text";
        if (isText && event.key !== "Escape") {
            if (event.key === "Enter") target.blur();
            return;
        }
        // Buttons and fields keep what activates them.
        const isControl = target.closest?.("button, summary, input");
        if (isControl && (event.key === " " || event.key === "Enter")) return;
        const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
        const shift = event.shiftKey && (event.key.length > 1 || /[a-z]/.test(letter));
        const name = (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + (shift ? "Shift+" : "") + letter;
        const call = keys[name];
        if (!call || event.altKey) return;
        if (call(event) !== false) event.preventDefault();
    });
}
