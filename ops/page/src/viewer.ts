// A view of one shape: drag to orbit, wheel or pinch to zoom, keys too; turns by itself until touched.

import { BufferGeometry, PerspectiveCamera, Raycaster, Spherical, Vector2 } from "three";
import type { Vector3 } from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";

import { placeOf, projection, viewMatrix } from "./camera";
import { calm } from "./dom";
import { Frusta } from "./frusta";
import { Skeleton } from "./skeleton";
import { Stage } from "./stage";
import type { CameraSummary, Keypoints } from "./types";

const FOV = 32;
const NEAR = 2.9;
const AROUND = 4.2; // from where the frusta are in sight as well
const START = new Spherical(AROUND, Math.PI / 2 - 0.35, 0.61);
const STEP = 0.12;
const CLICK_PX = 5;

export class Viewer {
  private readonly stage: Stage;
  private readonly camera = new PerspectiveCamera(FOV, 1, 0.05, 100);
  private readonly controls: OrbitControls;
  private readonly observer: ResizeObserver;
  private readonly stopper = new AbortController();
  private frusta: Frusta | null = null;
  private skeleton: Skeleton | null = null;
  private photo: CameraSummary | null = null;
  private frame = 0;
  private stale = true;
  private loaded = false;
  private led = false;

  /**
   * @param chosen told of the image whose frustum is clicked.
   * @param left told when the view through an image's camera ends.
   */
  constructor(private readonly canvas: HTMLCanvasElement, private readonly chosen: (image: number) => void,
    private readonly left: () => void) {
    this.stage = new Stage(canvas);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enablePan = false;
    this.controls.minDistance = 1.1;
    this.controls.maxDistance = 12;
    this.controls.autoRotate = !calm();
    this.controls.autoRotateSpeed = 2.5;
    this.controls.addEventListener("start", () => this.touched());
    this.controls.addEventListener("change", () => { this.stale = true; });
    this.stand(START);
    this.listen();
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(canvas);
    this.tick();
  }

  /** @param geometry nothing is shown without one. */
  setGeometry(geometry = new BufferGeometry()): void {
    const old = this.stage.mesh.geometry;
    this.stage.setGeometry(geometry);
    old.dispose();
    this.loaded = this.stale = true;
  }

  /** Puts images around the shape; those of before are taken away. */
  setCameras(cameras: CameraSummary[]): void {
    const shown = this.frusta?.group.visible ?? true;
    this.leavePhoto();
    this.dropFrusta();
    this.frusta = new Frusta(cameras, () => { this.stale = true; });
    this.frusta.group.visible = shown;
    this.stage.scene.add(this.frusta.group);
    this.canvas.dataset.frusta = String(shown ? this.frusta.count : 0);
    this.stale = true;
  }

  /** Draws keypoints and their edges; nothing takes those of before away. */
  setKeypoints(keypoints: Keypoints | null): void {
    if (this.skeleton) {
      this.stage.scene.remove(this.skeleton.group);
      this.skeleton.close();
    }
    this.skeleton = keypoints ? new Skeleton(keypoints) : null;
    if (this.skeleton) this.stage.scene.add(this.skeleton.group);
    this.canvas.dataset.keypoints = String(keypoints?.points.length ?? 0);
    this.stale = true;
  }

  /** Degrees around the shape and above its horizon from which it is looked at. */
  get direction(): { azimuth: number; elevation: number } {
    const degrees = 180 / Math.PI;
    return { azimuth: this.controls.getAzimuthalAngle() * degrees, elevation: 90 - this.controls.getPolarAngle() * degrees };
  }

  /** @param told of each place that the eye moves to. */
  follow(told: (place: Vector3) => void): void {
    this.controls.addEventListener("change", () => { if (!this.led) told(this.camera.position); });
  }

  /** Moves the eye to where that of another viewer is, without telling of it. */
  copy(place: Vector3): void {
    this.led = true;
    this.camera.position.copy(place);
    this.controls.update();
    this.led = false;
    this.stale = true;
  }

  showFrusta(shown: boolean): void {
    if (this.frusta) {
      this.frusta.group.visible = shown;
      this.canvas.dataset.frusta = String(shown ? this.frusta.count : 0);
    }
    this.leavePhoto();
    const place = new Spherical().setFromVector3(this.camera.position);
    place.radius = shown ? AROUND : NEAR;
    this.stand(place);
  }

  /** Looks as an image's recovered camera does; the next drag goes on from there. */
  lookThrough(camera: CameraSummary): void {
    this.controls.autoRotate = false;
    this.camera.position.copy(placeOf(camera));
    this.controls.update();
    this.photo = camera;
    this.frusta?.choose(camera.image);
    this.canvas.dataset.through = String(camera.image);
    this.stale = true;
  }

  reset(): void {
    this.leavePhoto();
    this.stand(new Spherical(this.frusta?.group.visible ? AROUND : NEAR, START.phi, START.theta));
  }

  get spinning(): boolean {
    return this.controls.autoRotate;
  }

  spin(on: boolean): void {
    this.leavePhoto();
    this.controls.autoRotate = on;
  }

  setClay(clay: boolean): void {
    this.stage.setClay(clay);
    this.stale = true;
  }

  close(): void {
    cancelAnimationFrame(this.frame);
    this.stopper.abort();
    this.observer.disconnect();
    this.controls.dispose();
    this.dropFrusta();
    this.setKeypoints(null);
    this.stage.mesh.geometry.dispose();
    this.stage.close();
  }

  private dropFrusta(): void {
    if (!this.frusta) return;
    this.stage.scene.remove(this.frusta.group);
    this.frusta.close();
    this.frusta = null;
  }

  private stand(place: Spherical): void {
    this.camera.position.setFromSpherical(place);
    this.controls.update();
    this.stale = true;
  }

  private touched(): void {
    this.controls.autoRotate = false;
    this.leavePhoto();
  }

  private leavePhoto(): void {
    if (!this.photo) return;
    // The photo's lens may be another than ours: keep the size of the shape on the screen.
    const scale = Math.tan((this.photo.fov * Math.PI) / 360) / Math.tan((FOV * Math.PI) / 360);
    this.photo = null;
    delete this.canvas.dataset.through;
    this.frusta?.choose(null);
    this.camera.position.multiplyScalar(scale);
    this.controls.update();
    this.stale = true;
    this.left();
  }

  private fit(): void {
    this.stage.resize(this.canvas.clientWidth, this.canvas.clientHeight);
    this.stale = true;
  }

  private tick(): void {
    this.frame = requestAnimationFrame(() => this.tick());
    if (this.controls.autoRotate && !document.hidden) this.controls.update();
    if (!this.stale || !this.loaded) return;
    this.stale = false;
    this.aim();
    this.stage.render(this.camera);
    this.canvas.dataset.azimuth = ((this.controls.getAzimuthalAngle() * 180) / Math.PI).toFixed(1);
  }

  /** Sets the lens; through an image's camera it is that one's, with its principal point. */
  private aim(): void {
    const aspect = (this.canvas.clientWidth || 1) / (this.canvas.clientHeight || 1);
    this.camera.aspect = aspect;
    if (this.photo) {
      this.camera.matrixAutoUpdate = false;
      this.camera.matrix.copy(viewMatrix(this.photo)).invert();
      this.camera.projectionMatrix.copy(projection(this.photo.fov, aspect, this.photo.offset));
      this.camera.projectionMatrixInverse.copy(this.camera.projectionMatrix).invert();
    } else {
      this.camera.matrixAutoUpdate = true;
      // The field of view is that of the shorter side, so that all of a shape fits.
      const half = Math.tan((FOV * Math.PI) / 360) / Math.min(1, aspect);
      this.camera.fov = (Math.atan(half) * 360) / Math.PI;
      this.camera.updateProjectionMatrix();
    }
    this.camera.updateMatrixWorld(true);
  }

  private listen(): void {
    const options = { signal: this.stopper.signal };
    let down: PointerEvent | null = null;
    this.canvas.addEventListener("pointerdown", (event) => { down = event; }, options);
    this.canvas.addEventListener("pointerup", (event) => {
      const moved = down ? Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) : Infinity;
      if (moved < CLICK_PX) this.pick(event);
    }, options);
    this.canvas.addEventListener("dblclick", () => this.reset(), options);
    this.canvas.addEventListener("keydown", (event) => this.key(event), options);
  }

  private pick(event: PointerEvent): void {
    if (!this.frusta?.group.visible) return;
    const box = this.canvas.getBoundingClientRect();
    const where = new Vector2(((event.clientX - box.left) / box.width) * 2 - 1, 1 - ((event.clientY - box.top) / box.height) * 2);
    const ray = new Raycaster();
    ray.setFromCamera(where, this.camera);
    const image = this.frusta.hit(ray);
    if (image !== null) this.chosen(image);
  }

  private turn(theta: number, phi: number, zoom = 1): void {
    this.touched();
    const place = new Spherical().setFromVector3(this.camera.position);
    place.theta += theta;
    place.phi = Math.max(0.05, Math.min(Math.PI - 0.05, place.phi + phi));
    place.radius *= zoom;
    this.stand(place);
  }

  private key(event: KeyboardEvent): void {
    const acts: Record<string, () => void> = {
      ArrowLeft: () => this.turn(-STEP, 0), ArrowRight: () => this.turn(STEP, 0),
      ArrowUp: () => this.turn(0, -STEP), ArrowDown: () => this.turn(0, STEP),
      "+": () => this.turn(0, 0, 0.9), "=": () => this.turn(0, 0, 0.9), "-": () => this.turn(0, 0, 1.1),
      "0": () => this.reset(),
    };
    const act = acts[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }
}
