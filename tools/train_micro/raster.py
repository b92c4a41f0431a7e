"""Renders textured triangle meshes with OpenGL (moderngl on EGL): Mesa's llvmpipe on a CPU, or a GPU.

One directional light with a shadow map, two point lights, light from the sky and the ground. A second target
holds the id of the visible part at every pixel.
"""

import dataclasses
import functools
import os

import cv2
import moderngl
import numpy as np

FINER = 2  # pixels are averaged from FINER x FINER samples
SHADOW = 512  # side of the shadow map
NONE = 255  # id of pixels without a thing
MESHES = 120  # meshes kept on the device
TEXTURE = 256  # side of every texture, in pixels

VERTEX = """
#version 330
uniform mat4 model; uniform mat4 camera; uniform mat4 sun;
in vec3 position; in vec3 normal; in vec2 uv; in float part;
out vec3 place; out vec3 facing; out vec2 at; out vec4 lit; out vec3 own; flat out float piece;
void main() {
    vec4 world = model * vec4(position, 1.0);
    place = world.xyz; facing = mat3(model) * normal; at = uv; piece = part; own = position;
    lit = sun * world; gl_Position = camera * world;
}
"""

FRAGMENT = """
#version 330
uniform sampler2D image; uniform sampler2DShadow shade;
uniform vec3 colour; uniform vec3 eye; uniform vec3 ray; uniform vec3 sunlight;
uniform vec3 above; uniform vec3 below; uniform vec3 lamps[2]; uniform vec3 glow[2];
uniform float gloss; uniform float shine; uniform float mapping; uniform float scale;
uniform float softness; uniform float first; uniform float most; uniform float fog; uniform vec3 mist;
in vec3 place; in vec3 facing; in vec2 at; in vec4 lit; in vec3 own; flat in float piece;
layout(location = 0) out vec4 result; layout(location = 1) out uint id;
void main() {
    vec3 n = normalize(facing);
    vec3 view = normalize(eye - place);
    if (dot(n, view) < 0.0) n = -n;
    vec4 paint = vec4(1.0);
    if (mapping > 1.5) {
        vec3 w = abs(n); w = w * w * w; w /= w.x + w.y + w.z;
        paint = texture(image, own.yz * scale) * w.x + texture(image, own.xz * scale) * w.y
              + texture(image, own.xy * scale) * w.z;
    } else if (mapping > 0.5) paint = texture(image, at * scale);
    if (paint.a < 0.5) discard;
    vec3 albedo = paint.rgb * colour;
    float open = 0.0;
    vec3 l = lit.xyz * 0.5 + 0.5;
    for (int i = 0; i < 4; i++)
        open += 0.25 * texture(shade, vec3(l.xy + (vec2(i / 2, i % 2) * 2.0 - 1.0) * softness, l.z - 0.002));
    float straight = max(dot(n, ray), 0.0);
    vec3 light = mix(below, above, n.y * 0.5 + 0.5) + sunlight * straight * open;
    vec3 glints = sunlight * open * pow(max(dot(n, normalize(ray + view)), 0.0), shine);
    glints *= step(0.0, dot(n, ray));
    for (int k = 0; k < 2; k++) {
        vec3 way = lamps[k] - place; float d = length(way); way /= d;
        vec3 power = glow[k] / (0.3 + d * d);
        light += power * max(dot(n, way), 0.0);
        glints += power * pow(max(dot(n, normalize(way + view)), 0.0), shine);
    }
    float rim = pow(1.0 - max(dot(n, view), 0.0), 4.0);
    vec3 seen = albedo * light + gloss * (glints + rim * above * 0.5);
    seen = mix(seen, mist, 1.0 - exp(-fog * distance(eye, place)));
    result = vec4(sqrt(max(seen, 0.0) * 0.5), 1.0);
    id = first < -0.5 ? 255u : uint(first + min(piece, most));
}
"""

SCREEN_VERTEX = """
#version 330
in vec2 corner; out vec2 at;
void main() { at = corner * 0.5 + 0.5; gl_Position = vec4(corner, 0.99999, 1.0); }
"""

SCREEN_FRAGMENT = """
#version 330
uniform sampler2D image; in vec2 at;
layout(location = 0) out vec4 result; layout(location = 1) out uint id;
void main() { result = vec4(sqrt(texture(image, at).rgb * 0.5), 1.0); id = 255u; }
"""

DEPTH_FRAGMENT = """
#version 330
void main() {}
"""


def look_at(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """World to camera coordinates [4, 4]; up is +y."""
    back = (eye - target) / np.linalg.norm(eye - target)
    side = np.cross([0.0, 1.0, 0.0], back)
    side /= max(np.linalg.norm(side), 1e-6)
    turn = np.stack([side, np.cross(back, side), back])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, -turn @ eye
    return matrix


def perspective(angle: float, near: float, far: float) -> np.ndarray:
    f = 1 / np.tan(angle / 2)
    depth = near - far
    return np.array(
        [[f, 0, 0, 0], [0, f, 0, 0], [0, 0, (far + near) / depth, 2 * far * near / depth], [0, 0, -1, 0]]
    )


def orthographic(reach: float, depth: float) -> np.ndarray:
    return np.diag([1 / reach, 1 / reach, -1 / depth, 1.0])


@dataclasses.dataclass
class Surface:
    """Look of the triangles of one material."""

    colour: np.ndarray
    image: str | None = None  # key of Renderer.texture
    mapping: int = 0  # 0: no image, 1: by texture coordinates, 2: from three sides
    scale: float = 1.0
    gloss: float = 0.0
    shine: float = 20.0


@dataclasses.dataclass
class Body:
    """A mesh in the scene. first: id of its part 0, -1 for what is not a thing; most: highest part."""

    mesh: str
    surfaces: list[Surface]
    first: int = -1
    most: int = 0


@dataclasses.dataclass
class Light:
    ray: np.ndarray  # towards the sun
    sun: np.ndarray
    above: np.ndarray
    below: np.ndarray
    lamps: np.ndarray  # [2, 3]
    glow: np.ndarray  # [2, 3]
    softness: float
    fog: float
    mist: np.ndarray


class Renderer:
    """Draws bodies at [size, size] pixels. `meshes` and `images` give arrays by key."""

    def __init__(self, size: int, meshes, images):
        os.environ.setdefault("LP_NUM_THREADS", "1")  # of llvmpipe
        self.context = moderngl.create_standalone_context(backend="egl")
        self.context.gc_mode = "context_gc"
        self.size, self.meshes, self.images = size, meshes, images
        side = size * FINER
        ctx = self.context
        self.colours = ctx.texture((side, side), 4)
        self.ids = ctx.texture((side, side), 1, dtype="u1")
        self.target = ctx.framebuffer([self.colours, self.ids], ctx.depth_renderbuffer((side, side)))
        self.shade = ctx.depth_texture((SHADOW, SHADOW))
        self.shade.compare_func = "<="
        self.shade.repeat_x = self.shade.repeat_y = False
        self.shadows = ctx.framebuffer(depth_attachment=self.shade)
        self.program = ctx.program(vertex_shader=VERTEX, fragment_shader=FRAGMENT)
        self.depth = ctx.program(vertex_shader=VERTEX, fragment_shader=DEPTH_FRAGMENT)
        self.screen = ctx.program(vertex_shader=SCREEN_VERTEX, fragment_shader=SCREEN_FRAGMENT)
        corners = np.array([[-1, -1], [3, -1], [-1, 3]], np.float32)
        self.backdrop = ctx.vertex_array(self.screen, [(ctx.buffer(corners), "2f", "corner")])
        self.mesh = functools.lru_cache(None)(self._mesh)
        self.textures, self.spare = {}, []

    def _mesh(self, key: str):
        """Buffers of a mesh, and (material, first vertex, vertices) of its runs of triangles."""
        mesh = self.meshes(key)
        order = np.argsort(mesh["material"], kind="stable")
        corners = mesh["faces"][order].reshape(-1)
        rows = np.concatenate(
            [
                mesh["position"][corners].astype(np.float32),
                mesh["normal"][corners].astype(np.float32) / 127,
                mesh["uv"][corners].astype(np.float32),
                mesh["part"][order].repeat(3).astype(np.float32)[:, None],
            ],
            1,
        )
        buffer = self.context.buffer(np.ascontiguousarray(rows))
        kinds, starts, counts = np.unique(mesh["material"][order], return_index=True, return_counts=True)
        runs = [(int(k), int(s) * 3, int(n) * 3) for k, s, n in zip(kinds, starts, counts)]
        layout = [(buffer, "3f 3f 2f 1f", "position", "normal", "uv", "part")]
        seen = self.context.vertex_array(self.program, layout)
        cast = self.context.vertex_array(self.depth, [(buffer, "3f 6x4", "position")])
        return buffer, seen, cast, runs, len(rows)

    def texture(self, key: str):
        """The image on the device. Textures of earlier scenes are reused: llvmpipe makes mipmaps slowly."""
        if key not in self.textures:
            image = self.images(key)
            level = cv2.resize(image, (TEXTURE, TEXTURE), interpolation=cv2.INTER_LINEAR)[::-1]
            if level.shape[2] == 3:
                level = np.dstack([level, np.ones(level.shape[:2], np.float32)])
            level = (level * 255).round().astype(np.uint8)
            if not self.spare:
                self.spare.append(self.context.texture((TEXTURE, TEXTURE), 4))
                self.spare[-1].build_mipmaps()
            texture = self.textures[key] = self.spare.pop()
            for number in range(TEXTURE.bit_length()):
                texture.write(np.ascontiguousarray(level), level=number)
                level = cv2.resize(level, (max(len(level) // 2, 1),) * 2, interpolation=cv2.INTER_AREA)
        return self.textures[key]

    def begin(self) -> None:
        """Begins a scene: frees the textures of the last one, and the meshes once there are many."""
        self.spare += self.textures.values()
        self.textures = {}
        if self.mesh.cache_info().currsize > MESHES:
            self.mesh.cache_clear()
            self.context.gc()

    def draw(self, bodies: list[Body], models: list[np.ndarray], eye, target, angle, light: Light, sky):
        """Picture [S, S, 3] in 0..1 and ids [S, S] i8 (-1: none) for one frame; `models` are [4, 4]."""
        ctx, up = self.context, lambda m: np.ascontiguousarray(np.asarray(m, np.float32).T).tobytes()
        centre = np.asarray(target, float)
        sun = orthographic(3.0, 12.0) @ look_at(centre + light.ray * 6, centre)
        camera = perspective(angle, 0.03, 60.0) @ look_at(np.asarray(eye, float), centre)
        ctx.enable_only(moderngl.DEPTH_TEST)
        self.shadows.use()
        self.shadows.clear(depth=1.0)
        self.depth["camera"].write(up(sun))
        for body, model in zip(bodies, models):
            if body.first >= 0:
                self.depth["model"].write(up(model))
                self.mesh(body.mesh)[2].render()
        self.target.use()
        self.target.clear(depth=1.0)
        self.texture(sky).use(0)
        self.screen["image"] = 0
        self.backdrop.render()
        self.shade.use(1)
        program = self.program
        program["shade"], program["image"] = 1, 0
        program["camera"].write(up(camera))
        program["sun"].write(up(sun))
        for name, value in (
            ("eye", eye), ("ray", light.ray), ("sunlight", light.sun), ("above", light.above),
            ("below", light.below), ("mist", light.mist),
        ):  # fmt: skip
            program[name] = tuple(float(v) for v in value)
        program["lamps"].write(np.asarray(light.lamps, np.float32).tobytes())
        program["glow"].write(np.asarray(light.glow, np.float32).tobytes())
        program["softness"], program["fog"] = light.softness, light.fog
        for body, model in zip(bodies, models):
            program["model"].write(up(model))
            program["first"], program["most"] = float(body.first), float(body.most)
            _, seen, _, runs, _ = self.mesh(body.mesh)
            for kind, start, count in runs:
                surface = body.surfaces[kind]
                program["colour"] = tuple(float(c) for c in surface.colour)
                program["gloss"], program["shine"] = surface.gloss, surface.shine
                program["mapping"], program["scale"] = float(surface.mapping), surface.scale
                if surface.mapping:
                    self.texture(surface.image).use(0)
                seen.render(first=start, vertices=count)
        side = self.size * FINER
        picture = np.frombuffer(self.target.read(components=3), np.uint8).reshape(side, side, 3)[::-1]
        ids = np.frombuffer(self.ids.read(), np.uint8).reshape(side, side)[::-1]
        picture = cv2.resize(picture, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return picture.astype(np.float32) / 255 * 1.3, ids[1::FINER, 1::FINER].view(np.int8)
