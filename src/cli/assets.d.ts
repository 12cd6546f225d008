/** Files that the bundler puts into the binary: the import is the path at which they can be read. */
declare module "*.zst" {
  const path: string;
  export default path;
}
