// Files in and out.

import * as api from "./api.js";
import { fail, media, page } from "./page.js";
import * as panels from "./panels.js";
import { open } from "./seek.js";
import { Medium } from "./store.js";

const { $, say } = panels;

export async function exportAs(format) {
    $("export").open = false;
    say(`writing ${format.name}…`, { working: true });
    try {
        const options = $("write").checked ? { write: true } : {};
        const { name, blob, files } = await api.exported([page.medium.id], format.id, options);
        if (files) return say(`${files.length} files are written, ${files[0] ?? "none"} first`);
        const address = URL.createObjectURL(blob);
        panels.make("a", { href: address, download: name }).click();
        setTimeout(() => URL.revokeObjectURL(address), 60_000);
        say(`${name} is in your downloads`);
    } catch (error) {
        fail(error);
    }
}

export async function uploadAll(files) {
    for (const file of files) {
        say(`sending ${file.name}…`, { working: true });
        try {
            const entry = await api.upload(file);
            const added = new Medium(entry);
            media.set(added.id, added);
            await open(added);
            say(`${added.name} is open`);
        } catch (error) {
            fail(error);
        }
    }
}
