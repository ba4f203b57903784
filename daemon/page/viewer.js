// A WebGL view of one mesh: drag to orbit, wheel or pinch to zoom, keys too; turns by itself until touched.

const VERTEX = `#version 300 es
uniform mat4 projection, view;
in vec3 position, normal, color;
out vec3 vNormal, vPosition, vColor;
void main() {
  vec4 p = view * vec4(position, 1.0);
  vNormal = mat3(view) * normal; vPosition = p.xyz; vColor = color;
  gl_Position = projection * p;
}`;
const FRAGMENT = `#version 300 es
precision highp float;
uniform float clay;
in vec3 vNormal, vPosition, vColor;
out vec4 result;
void main() {
  vec3 n = normalize(vNormal), eye = normalize(-vPosition);
  if (dot(n, eye) < 0.0) n = -n;
  vec3 base = pow(mix(vColor, vec3(0.78, 0.74, 0.69), clay), vec3(2.2));
  float key = max(dot(n, normalize(vec3(-0.45, 0.75, 0.6))), 0.0);
  float fill = max(dot(n, normalize(vec3(0.8, 0.1, 0.5))), 0.0);
  vec3 sky = mix(vec3(0.20, 0.17, 0.15), vec3(0.42, 0.45, 0.50), 0.5 + 0.5 * n.y);
  float shine = pow(max(dot(n, normalize(eye + normalize(vec3(-0.45, 0.75, 0.6)))), 0.0), 40.0);
  float rim = pow(1.0 - max(dot(n, eye), 0.0), 3.0);
  vec3 light = base * (sky + key * vec3(0.95, 0.9, 0.82) + fill * vec3(0.16, 0.18, 0.24));
  result = vec4(pow(light + 0.06 * shine + 0.05 * rim, vec3(1.0 / 2.2)), 1.0);
}`;
const FOV = (32 * Math.PI) / 180;
const START = { yaw: 0.6, pitch: 0.35, distance: 2.9 };
const TURN_PER_MS = 0.0004;

export class Viewer {
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { antialias: true, alpha: true });
    if (!this.gl) throw new Error("this browser has no WebGL 2, so the shape can't be shown in 3D");
    this.orbit = { ...START };
    this.photo = null;
    this.clay = false;
    this.spinning = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.indices = 0;
    this.program = makeProgram(this.gl);
    this.stopper = new AbortController();
    this.listen();
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(canvas);
    this.last = performance.now();
    this.frame = requestAnimationFrame((now) => this.tick(now));
  }

  setMesh({ positions, normals, colors, indices }) {
    const { gl, program } = this;
    if (this.vao) gl.deleteVertexArray(this.vao);
    this.vao = gl.createVertexArray();
    gl.bindVertexArray(this.vao);
    for (const [name, data] of Object.entries({ position: positions, normal: normals, color: colors })) {
      const place = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, 3, gl.FLOAT, false, 0, 0);
    }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, indices, gl.STATIC_DRAW);
    this.indices = indices.length;
    this.draw();
  }

  // Looks as an image's recovered camera does; the next drag goes on from there.
  lookThrough({ R, t, fov, offset }) {
    const eye = [0, 1, 2].map((j) => -(R[0][j] * t[0] + R[1][j] * t[1] + R[2][j] * t[2]));
    const distance = Math.hypot(...eye) || START.distance;
    this.orbit = { yaw: Math.atan2(eye[0], eye[2]), pitch: Math.asin(eye[1] / distance), distance };
    this.photo = { R, t, offset, fov: (fov * Math.PI) / 180 };
    this.spinning = false;
    this.draw();
  }

  reset() {
    this.orbit = { ...START };
    this.photo = null;
    this.draw();
  }

  toggleSpin() { this.spinning = !this.spinning; this.leavePhoto(); return this.spinning; }

  toggleClay() { this.clay = !this.clay; this.draw(); return this.clay; }

  close() {
    cancelAnimationFrame(this.frame);
    this.stopper.abort();
    this.observer.disconnect();
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  leavePhoto() {
    if (!this.photo) return;
    // The photo's lens may be another than ours: keep the size of the shape on the screen.
    this.orbit.distance *= Math.tan(this.photo.fov / 2) / Math.tan(FOV / 2);
    this.photo = null;
  }

  tick(now) {
    const passed = Math.min(now - this.last, 100);
    this.last = now;
    if (this.spinning && this.indices && !document.hidden) {
      this.orbit.yaw += passed * TURN_PER_MS;
      this.draw();
    }
    this.frame = requestAnimationFrame((next) => this.tick(next));
  }

  turn(yaw, pitch) {
    this.leavePhoto();
    this.spinning = false;
    this.orbit.yaw += yaw;
    this.orbit.pitch = Math.max(-1.5, Math.min(1.5, this.orbit.pitch + pitch));
    this.draw();
  }

  zoom(factor) {
    this.leavePhoto();
    this.orbit.distance = Math.max(1.1, Math.min(12, this.orbit.distance * factor));
    this.draw();
  }

  listen() {
    const options = { signal: this.stopper.signal };
    const held = new Map();
    const on = (name, handle, more) => this.canvas.addEventListener(name, handle, { ...options, ...more });
    on("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      held.set(event.pointerId, event);
    });
    on("pointermove", (event) => this.drag(held, event));
    for (const name of ["pointerup", "pointercancel"]) on(name, (event) => held.delete(event.pointerId));
    on("wheel", (event) => { event.preventDefault(); this.zoom(Math.exp(event.deltaY * 0.001)); }, { passive: false });
    on("dblclick", () => this.reset());
    on("keydown", (event) => this.key(event));
  }

  drag(held, event) {
    const before = held.get(event.pointerId);
    if (!before) return;
    if (held.size === 1) {
      this.turn((before.clientX - event.clientX) * 0.008, (event.clientY - before.clientY) * 0.008);
    } else {
      const other = [...held.values()].find((pointer) => pointer.pointerId !== event.pointerId);
      const apart = (p) => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY) || 1;
      this.zoom(apart(before) / apart(event));
    }
    held.set(event.pointerId, event);
  }

  key(event) {
    const act = {
      ArrowLeft: () => this.turn(-0.12, 0), ArrowRight: () => this.turn(0.12, 0),
      ArrowUp: () => this.turn(0, 0.12), ArrowDown: () => this.turn(0, -0.12),
      "+": () => this.zoom(0.9), "=": () => this.zoom(0.9), "-": () => this.zoom(1.1),
      " ": () => this.toggleSpin(), 0: () => this.reset(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  draw() {
    const { gl, canvas } = this;
    const scale = Math.min(devicePixelRatio || 1, 2);
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * scale));
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (!this.indices) return;
    gl.enable(gl.DEPTH_TEST);
    gl.useProgram(this.program);
    const set = (name, values) => gl.uniformMatrix4fv(gl.getUniformLocation(this.program, name), false, values);
    set("projection", perspective(this.photo?.fov ?? FOV, canvas.width / canvas.height, this.photo?.offset));
    set("view", this.photo ? photoView(this.photo) : orbitView(this.orbit));
    gl.uniform1f(gl.getUniformLocation(this.program, "clay"), this.clay ? 1 : 0);
    gl.drawElements(gl.TRIANGLES, this.indices, gl.UNSIGNED_INT, 0);
  }
}

function makeProgram(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error("the graphics driver refused the shaders");
  return program;
}

// Column-major, as WebGL wants them. The field of view is that of the shorter side, so all of a shape fits;
// the principal point lies off the centre by halves of that side.
function perspective(fov, aspect, [right, down] = [0, 0]) {
  const f = 1 / Math.tan(fov / 2);
  const [near, far] = [0.05, 100];
  const [wide, high] = aspect > 1 ? [1 / aspect, 1] : [1, aspect];
  return [f * wide, 0, 0, 0, 0, f * high, 0, 0, -right * wide, down * high, (far + near) / (near - far), -1, 0, 0, (2 * far * near) / (near - far), 0];
}

function orbitView({ yaw, pitch, distance }) {
  const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  return [cy, -sp * sy, cp * sy, 0, 0, cp, sp, 0, -sy, -sp * cy, cp * cy, 0, 0, 0, -distance, 1];
}

// PyTorch3D cameras have x left and z forward, OpenGL's x right and z back: turn both axes round.
function photoView({ R, t }) {
  const signs = [-1, 1, -1];
  const column = (values) => values.map((value, i) => signs[i] * value);
  return [
    ...column([R[0][0], R[1][0], R[2][0]]), 0, ...column([R[0][1], R[1][1], R[2][1]]), 0,
    ...column([R[0][2], R[1][2], R[2][2]]), 0, ...column(t), 1,
  ];
}
