// Masks as run lengths, as pycocotools writes them: runs of 0 and 1 in turns, down the columns.

/** The runs of a string of counts. */
export function runsOf(counts) {
    const runs = [];
    for (let at = 0; at < counts.length;) {
        let value = 0;
        let shift = 0;
        let digit;
        do {
            digit = counts.charCodeAt(at++) - 48;
            value |= (digit & 31) << shift;
            shift += 5;
        } while (digit & 32 && at < counts.length);
        if (digit & 16 && shift < 32) value |= -1 << shift;
        // From the third run on, the difference to the run before the last is written.
        runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
    }
    return runs;
}

/** A mask as bytes, row by row: {width, height, data, area, box}; box has its corners, [x0, y0, x1, y1]. */
export function decode({ size: [height, width], counts }) {
    const data = new Uint8Array(width * height);
    let [at, inside, area] = [0, false, 0];
    let [x0, y0, x1, y1] = [width, height, 0, 0];
    for (const run of runsOf(counts)) {
        const end = Math.min(at + run, data.length);
        if (inside && end > at) {
            area += end - at;
            for (let i = at; i < end; i++) {
                const [x, y] = [Math.floor(i / height), i % height];
                data[y * width + x] = 1;
                if (y < y0) y0 = y;
                if (y >= y1) y1 = y + 1;
            }
            x0 = Math.min(x0, Math.floor(at / height));
            x1 = Math.max(x1, Math.floor((end - 1) / height) + 1);
        }
        at = end;
        inside = !inside;
    }
    return { width, height, data, area, box: [x0, y0, x1, y1] };
}

/** The outline of a mask as a Path2D along the edges of its pixels. */
export function outline({ width, height, data, box: [x0, y0, x1, y1] }) {
    const path = new Path2D();
    const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : data[y * width + x]);
    for (let y = y0; y <= y1; y++) {
        for (let x = x0; x < x1; x++) {
            if (at(x, y) === at(x, y - 1)) continue;
            const from = x;
            while (x < x1 && at(x, y) !== at(x, y - 1)) x++;
            path.moveTo(from, y);
            path.lineTo(x, y);
        }
    }
    for (let x = x0; x <= x1; x++) {
        for (let y = y0; y < y1; y++) {
            if (at(x, y) === at(x - 1, y)) continue;
            const from = y;
            while (y < y1 && at(x, y) !== at(x - 1, y)) y++;
            path.moveTo(x, from);
            path.lineTo(x, y);
        }
    }
    return path;
}
