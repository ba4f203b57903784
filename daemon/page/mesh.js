// Binary PLY to arrays that WebGL draws: positions, smooth normals, colours, indices.

const SIZES = { char: 1, uchar: 1, int8: 1, uint8: 1, short: 2, ushort: 2, int16: 2, uint16: 2,
  int: 4, uint: 4, int32: 4, uint32: 4, float: 4, float32: 4, double: 8, float64: 8 };
const READERS = { char: "getInt8", int8: "getInt8", uchar: "getUint8", uint8: "getUint8", short: "getInt16",
  int16: "getInt16", ushort: "getUint16", uint16: "getUint16", int: "getInt32", int32: "getInt32",
  uint: "getUint32", uint32: "getUint32", float: "getFloat32", float32: "getFloat32", double: "getFloat64",
  float64: "getFloat64" };

export function parsePly(buffer) {
  const { elements, start } = parseHeader(buffer);
  const view = new DataView(buffer);
  const mesh = { positions: new Float32Array(0), colors: new Float32Array(0), indices: new Uint32Array(0) };
  let offset = start;
  for (const element of elements) {
    if (element.name === "vertex") offset = readVertices(view, offset, element, mesh);
    else if (element.name === "face") offset = readFaces(view, offset, element, mesh);
    else break;
  }
  return { ...mesh, normals: smoothNormals(mesh.positions, mesh.indices) };
}

function parseHeader(buffer) {
  const head = new TextDecoder("latin1").decode(buffer.slice(0, 8192));
  const end = head.indexOf("end_header\n");
  if (!head.startsWith("ply") || end < 0 || !head.includes("format binary_little_endian")) {
    throw new Error("the mesh is not a binary PLY file");
  }
  const elements = [];
  for (const line of head.slice(0, end).split("\n")) {
    const words = line.trim().split(/\s+/);
    if (words[0] === "element") elements.push({ name: words[1], count: Number(words[2]), properties: [] });
    if (words[0] !== "property") continue;
    const list = words[1] === "list";
    elements.at(-1).properties.push(list
      ? { name: words[4], list: words[2], type: words[3] } : { name: words[2], type: words[1] });
  }
  return { elements, start: end + "end_header\n".length };
}

function readVertices(view, start, element, mesh) {
  const places = {};
  let stride = 0;
  for (const property of element.properties) {
    places[property.name] = { offset: stride, type: property.type };
    stride += SIZES[property.type];
  }
  const read = (name, base) => view[READERS[places[name].type]](base + places[name].offset, true);
  mesh.positions = new Float32Array(element.count * 3);
  mesh.colors = new Float32Array(element.count * 3).fill(0.75);
  for (let i = 0; i < element.count; i += 1) {
    const base = start + i * stride;
    ["x", "y", "z"].forEach((name, j) => { mesh.positions[3 * i + j] = read(name, base); });
    if (!places.red) continue;
    ["red", "green", "blue"].forEach((name, j) => { mesh.colors[3 * i + j] = read(name, base) / 255; });
  }
  return start + stride * element.count;
}

function readFaces(view, start, element, mesh) {
  const indices = [];
  let offset = start;
  for (let i = 0; i < element.count; i += 1) {
    for (const property of element.properties) {
      if (!property.list) {
        offset += SIZES[property.type];
        continue;
      }
      const corners = view[READERS[property.list]](offset, true);
      offset += SIZES[property.list];
      const at = (j) => view[READERS[property.type]](offset + j * SIZES[property.type], true);
      for (let j = 2; j < corners; j += 1) indices.push(at(0), at(j - 1), at(j));
      offset += corners * SIZES[property.type];
    }
  }
  mesh.indices = new Uint32Array(indices);
  return offset;
}

// Face normals weighted by area: the cross product of two edges is as long as twice the area.
function smoothNormals(p, indices) {
  const normals = new Float32Array(p.length);
  for (let i = 0; i < indices.length; i += 3) {
    const [a, b, c] = [3 * indices[i], 3 * indices[i + 1], 3 * indices[i + 2]];
    const [ux, uy, uz] = [p[b] - p[a], p[b + 1] - p[a + 1], p[b + 2] - p[a + 2]];
    const [vx, vy, vz] = [p[c] - p[a], p[c + 1] - p[a + 1], p[c + 2] - p[a + 2]];
    const n = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
    for (const corner of [a, b, c]) for (let j = 0; j < 3; j += 1) normals[corner + j] += n[j];
  }
  return normals;
}
