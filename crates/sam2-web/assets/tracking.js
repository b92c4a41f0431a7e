// Tracking, and the events of the server.

import * as api from "./api.js";
import { fail, media, page, show } from "./page.js";
import * as panels from "./panels.js";

const { $, say } = panels;

export async function track(direction) {
    if (!page.medium || page.medium.kind !== "clip" || page.medium.prompts.size === 0 || page.job) return;
    const prompted = page.medium.prompted();
    const start =
        direction === "reverse"
            ? prompted[prompted.length - 1]
            : Math.max(prompted[0], Math.min(page.medium.frame, prompted[prompted.length - 1]));
    page.job = { id: null, of: page.medium };
    show();
    try {
        const answer = await api.post(`/clips/${page.medium.id}/track`, {
            start,
            end: null,
            direction,
            memory: "sam2",
        });
        if (page.job) page.job.id = answer.job;
        $("stop").hidden = $("bar").hidden = false;
        say("tracking…", { working: true });
    } catch (error) {
        finished();
        fail(error);
    }
}

export async function stop() {
    if (!page.job?.id) return;
    await api.remove(`/jobs/${page.job.id}`).catch(fail);
}

function finished() {
    page.job = null;
    $("stop").hidden = $("bar").hidden = true;
    $("progress").textContent = "";
    show();
}

const time = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;

/** What the server says on its own. */
export const events = {
    encoded({ id, frame }) {
        const waited = page.encoding === `${id}:${frame}`;
        if (!waited) return;
        page.encoding = null;
        const asked = $("status").classList.contains("working") || page.medium?.prompts.size === 0;
        if (page.medium?.id === id && !page.job && asked) say("ready: click the object");
    },
    mask({ clip, frame, objects }) {
        const of = media.get(clip);
        if (!of) return;
        of.setMasks(frame, objects);
        if (of === page.medium) show();
    },
    progress({ done, total, fps, eta_s }) {
        $("bar").value = total ? done / total : 0;
        const left = eta_s === null || eta_s === undefined ? "" : ` · ${time(eta_s)} left`;
        $("progress").textContent =
            `${Math.round((100 * done) / Math.max(1, total))} % · ${fps.toFixed(1)} fps${left}`;
    },
    done({ stopped }) {
        finished();
        say(stopped ? "stopped; what is tracked stays" : "tracked");
    },
    failed({ message }) {
        finished();
        say(message, { bad: true });
    },
};

let known = false;
export function connected(on) {
    if (!on) say("the server does not answer; trying again", { bad: true });
    else if (!known) say("connected");
    known = on;
}
