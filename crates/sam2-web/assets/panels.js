// Lists beside the picture: files, objects, the three masks of a click, formats of export, keys.

export const $ = (id) => document.getElementById(id);

/** An element with properties, attributes (names with a dash or `role`) and children. */
export function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(properties)) {
        if (key.includes("-") || key === "role") element.setAttribute(key, value);
        else element[key] = value;
    }
    element.append(...children);
    return element;
}

export function icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `#i-${name}`);
    svg.setAttribute("aria-hidden", "true");
    svg.append(use);
    return svg;
}

/** Replaces the children of a list but keeps the keyboard's focus where it was. */
function refill(list, items) {
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    list.replaceChildren(...items);
    if (focused) list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

export function files(media, current, choose) {
    refill(
        $("media"),
        media.map((medium) => {
            const about =
                medium.kind === "clip"
                    ? `${medium.width}×${medium.height}, ${medium.frames} frames`
                    : `${medium.width}×${medium.height}`;
            const button = make(
                "button",
                {
                    className: "entry",
                    title: medium.name,
                    onclick: () => choose(medium),
                    "aria-current": medium === current,
                },
                icon(medium.kind),
                make("span", { textContent: medium.name }),
                make("small", { textContent: about }),
            );
            button.dataset.key = medium.id;
            return make("li", {}, button);
        }),
    );
}

export function objects(medium, on) {
    refill(
        $("objects"),
        [...medium.objects].map(([number, object]) => {
            const row = make("li", { className: "object", "aria-current": number === medium.current });
            row.dataset.number = number;
            const color = make("input", {
                type: "color",
                value: object.color,
                "aria-label": `Colour of ${object.name}`,
                oninput: () => on.change(number, { color: color.value }),
                onchange: () => on.save(number),
            });
            const name = make("input", {
                type: "text",
                value: object.name,
                maxLength: 100,
                spellcheck: false,
                "aria-label": `Name of object ${number}`,
                onfocus: () => on.choose(number),
                onchange: () => {
                    on.change(number, { name: name.value });
                    on.save(number);
                },
            });
            const eye = make(
                "button",
                {
                    className: "button",
                    "aria-pressed": object.visible,
                    "aria-label": `Show ${object.name}`,
                    onclick: () => on.change(number, { visible: !object.visible }),
                },
                icon(object.visible ? "eye" : "hidden"),
            );
            const bin = make(
                "button",
                {
                    className: "button",
                    "aria-label": `Remove ${object.name} everywhere`,
                    title: "Remove everywhere",
                    onclick: () => on.remove(number),
                },
                icon("trash"),
            );
            for (const [key, element] of Object.entries({ color, name, eye, bin }))
                element.dataset.key = `${number}${key}`;
            row.append(color, name, eye, bin);
            row.onclick = (event) => event.target === row && on.choose(number);
            return row;
        }),
    );
}

const percent = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));

/** Scores of the mask of the chosen object on this frame. */
export function scores(mask) {
    const rows = mask
        ? [
              ["predicted IoU", percent(mask.predicted_iou)],
              ["stability", percent(mask.stability)],
              [
                  "object score",
                  mask.object_score === undefined || mask.object_score === null
                      ? "–"
                      : mask.object_score.toFixed(1),
              ],
              ["state", mask.state ?? "prompted"],
          ]
        : [];
    $("scores").replaceChildren(
        ...rows.flatMap(([name, value]) => [
            make("dt", { textContent: name }),
            make("dd", { textContent: value }),
        ]),
    );
}

/** The three masks of a single click, the chosen one pressed. */
export function candidates(list, chosen, choose) {
    const group = $("candidates");
    group.hidden = list.length < 2;
    refill(
        group,
        list.map((candidate, i) => {
            const button = make("button", {
                className: "button",
                textContent: `Mask ${i + 1}`,
                "aria-pressed": i === chosen,
                title: `predicted IoU ${percent(candidate.predicted_iou)} (Tab on the picture: the next one)`,
                onclick: () => choose(i),
            });
            button.dataset.key = `candidate${i}`;
            return button;
        }),
    );
}

export function formats(list, medium, choose) {
    const fit = list.filter((format) => medium && format.kinds.includes(medium.kind));
    $("export-about").textContent = medium ? `All masks of ${medium.name} as` : "Nothing is open.";
    // A list that is opened by its key is filled twice: the focus stays.
    const items = fit.map((format) => {
        const button = make(
            "button",
            { className: "button", onclick: () => choose(format) },
            make("span", { textContent: format.name }),
            make("small", { textContent: format.id }),
        );
        button.dataset.key = format.id;
        return make("li", {}, button);
    });
    refill($("formats"), items);
}

const KEYS = [
    ["Click", "part of the object"],
    ["Right click, Alt+click", "not part of it"],
    ["Drag", "a box around it"],
    ["Click on a point", "take it back"],
    ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
    ["Delete", "clear the object on this frame"],
    ["N or Enter", "next object"],
    ["1 … 9", "choose an object"],
    ["Tab on the picture", "next of the three masks"],
    ["T, Shift+T", "track on, track back"],
    ["Esc", "stop tracking, close"],
    ["Space", "play, pause"],
    ["← →, with Shift", "one frame, ten frames"],
    ["Home, End", "first, last frame"],
    ["[ ]", "previous, next prompt"],
    ["C", "crosshair: arrows move it, Enter sets, X excludes, B sets corners of a box"],
    ["Wheel, + −, 0", "zoom, fit"],
    ["Middle drag, Space+drag", "move the picture"],
    ["H, P", "preview, patterns"],
    ["E", "export"],
];

export function help() {
    $("help").replaceChildren(
        make("h2", { textContent: "Keys" }),
        make(
            "dl",
            {},
            ...KEYS.flatMap(([keys, what]) => [
                make("dt", {}, make("kbd", { textContent: keys })),
                make("dd", { textContent: what }),
            ]),
        ),
    );
}

/** One line for people, read out by screen readers. */
export function say(text, { bad = false, working = false } = {}) {
    const status = $("status");
    status.textContent = text;
    status.classList.toggle("bad", bad);
    status.classList.toggle("working", working);
}
