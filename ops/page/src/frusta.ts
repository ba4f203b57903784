// The images of a shape around it, each as the frustum of the camera that was recovered for it.

import {
  BufferGeometry, Color, DoubleSide, Float32BufferAttribute, Group, LineBasicMaterial, LineSegments, Mesh, MeshBasicMaterial,
  PlaneGeometry, SRGBColorSpace, TextureLoader, Vector3,
} from "three";
import type { Raycaster } from "three";

import { cropUrl } from "./api";
import { placeOf, viewMatrix } from "./camera";
import type { CameraSummary } from "./types";

// How far away a camera stands can't be told from such images (the focal length takes it up), where it looks from can:
// all of them are drawn at one distance, and small enough to leave the shape in sight.
const RADIUS = 1.15;
const DEPTH = 0.2;
const HALF = 0.085;
/** Images whose picture is put into the frustum; the frusta of others are empty. Bounds requests and memory. */
const PICTURES = 36;
const CORNERS = [[-1, 1], [1, 1], [1, -1], [-1, -1]] as const;
const LINE = new Color("#c8862f");
const CHOSEN = new Color("#d0308c");

export class Frusta {
  readonly group = new Group();
  private readonly frames = new Map<number, LineSegments<BufferGeometry, LineBasicMaterial>>();
  private readonly pictures: Mesh<PlaneGeometry, MeshBasicMaterial>[] = [];
  private readonly edges = pyramid();
  private readonly plane = new PlaneGeometry(2 * HALF, 2 * HALF);

  constructor(cameras: CameraSummary[], private readonly changed: () => void) {
    const spread = Math.max(1, Math.ceil(cameras.length / PICTURES));
    cameras.forEach((camera, i) => this.add(camera, i % spread === 0));
  }

  private add(camera: CameraSummary, pictured: boolean): void {
    const frame = new LineSegments(this.edges, new LineBasicMaterial({ color: LINE, transparent: true, opacity: 0.75 }));
    frame.matrixAutoUpdate = false;
    frame.matrix.copy(viewMatrix(camera)).invert();
    frame.matrix.setPosition(placeOf(camera).setLength(RADIUS));
    this.frames.set(camera.image, frame);
    this.group.add(frame);
    if (!pictured) return;
    const picture = new Mesh(this.plane, new MeshBasicMaterial({ transparent: true, opacity: 0.9, side: DoubleSide }));
    picture.position.set(0, 0, -DEPTH);
    picture.userData.image = camera.image;
    picture.visible = false;
    new TextureLoader().load(cropUrl(camera.image), (texture) => {
      texture.colorSpace = SRGBColorSpace;
      picture.material.map = texture;
      picture.material.needsUpdate = true;
      picture.visible = true;
      this.changed();
    });
    this.pictures.push(picture);
    frame.add(picture);
  }

  /** The image whose frustum a ray hits first. */
  hit(ray: Raycaster): number | null {
    const found = ray.intersectObjects(this.pictures, false)[0];
    return found ? (found.object.userData.image as number) : null;
  }

  choose(image: number | null): void {
    for (const [id, frame] of this.frames) frame.material.color = id === image ? CHOSEN : LINE;
    this.changed();
  }

  get count(): number {
    return this.frames.size;
  }

  close(): void {
    for (const frame of this.frames.values()) frame.material.dispose();
    for (const picture of this.pictures) {
      picture.material.map?.dispose();
      picture.material.dispose();
    }
    this.edges.dispose();
    this.plane.dispose();
  }
}

function pyramid(): BufferGeometry {
  const apex = new Vector3();
  const base = CORNERS.map(([x, y]) => new Vector3(x * HALF, y * HALF, -DEPTH));
  const points = base.flatMap((corner, i) => [apex, corner, corner, base[(i + 1) % base.length] ?? corner]);
  const tip = new Vector3(0, HALF * 1.5, -DEPTH); // says which side is up
  const [left, right] = [base[0] ?? apex, base[1] ?? apex];
  points.push(left, tip, tip, right);
  return new BufferGeometry().setAttribute("position", new Float32BufferAttribute(points.flatMap((p) => p.toArray()), 3));
}
