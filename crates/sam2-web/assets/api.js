// The server: requests under /api/v1, and its events.

const BASE = "/api/v1";
// Tabs drop their own stale previews only.
const CLIENT = crypto.getRandomValues(new Uint32Array(2)).join("-");

/** An answer that was no success; `code` and `message` are the server's. */
export class Refused extends Error {
    constructor(status, code, message) {
        super(message);
        this.status = status;
        this.code = code;
    }
}

async function request(method, path, body, headers = {}) {
    let response;
    try {
        response = await fetch(BASE + path, { method, body, headers });
    } catch {
        throw new Refused(0, "unreachable", "the server does not answer; is sam2 serve still running?");
    }
    if (response.ok) return response;
    const error = await response.json().then(
        (answer) => answer.error,
        () => null,
    );
    throw new Refused(
        response.status,
        error?.code ?? "http",
        error?.message ?? `the server answers ${response.status}`,
    );
}

const json = (method, path, value) =>
    request(method, path, JSON.stringify(value), {
        "Content-Type": "application/json",
        "X-Sam2-Client": CLIENT,
    });
const read = async (answer) => {
    const text = await (await answer).text();
    return text ? JSON.parse(text) : null;
};

export const get = (path) => read(request("GET", path));
export const post = (path, value) => read(json("POST", path, value));
export const put = (path, value) => read(json("PUT", path, value));
export const remove = (path) => read(request("DELETE", path));
export const upload = (file) => read(request("POST", `/media?name=${encodeURIComponent(file.name)}`, file));

/** Exported files: {name, blob}, or {files, remarks} if the server wrote them into its folder. */
export async function exported(ids, format, options) {
    const response = await json("POST", "/export", { ids, format, options });
    if (options.write) return response.json();
    const said = response.headers.get("Content-Disposition") ?? "";
    const name = decodeURIComponent(/filename\*=UTF-8''([^;]+)/.exec(said)?.[1] ?? format);
    return { name, blob: await response.blob() };
}

/** The picture of a frame. */
export async function frame(id, n, signal) {
    const response = await fetch(`${BASE}/media/${id}/frames/${n}`, { signal });
    if (!response.ok) throw new Refused(response.status, "frame", `frame ${n} cannot be read`);
    return createImageBitmap(await response.blob());
}

/** Calls `on[name](data)` for every event of the server, which the browser connects to again by itself. */
export function listen(on, connected) {
    const source = new EventSource(`${BASE}/events`);
    for (const [name, call] of Object.entries(on)) {
        source.addEventListener(name, (event) => call(JSON.parse(event.data)));
    }
    source.onopen = () => connected(true);
    source.onerror = () => connected(false);
}
