/** Files whose text the bundler puts into the binary. */
declare module "*.css" {
  const text: string;
  export default text;
}
