// The graph as it stands, as a PNG at twice the resolution. Styles are written into a copy of the
// SVG, since a picture cannot reach the page's style sheet.

const PROPERTIES = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "stroke-linecap", "stroke-linejoin",
  "opacity", "font-family", "font-size", "font-weight", "font-style", "letter-spacing", "display", "visibility", "font-variant-numeric",
];

function inlineStyles(original: Element, copy: Element): void {
  const style = getComputedStyle(original);
  const text = PROPERTIES.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";");
  copy.setAttribute("style", text);
  for (let index = 0; index < original.children.length; index++) {
    inlineStyles(original.children[index]!, copy.children[index]!);
  }
}

export async function pictureOf(svg: SVGSVGElement, ground: string): Promise<Blob> {
  const { clientWidth: width, clientHeight: height } = svg;
  const copy = svg.cloneNode(true) as SVGSVGElement;
  inlineStyles(svg, copy);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = width * 2;
  canvas.height = height * 2;
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser draws no canvas");
  context.fillStyle = ground;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture is empty"))), "image/png");
  });
}
