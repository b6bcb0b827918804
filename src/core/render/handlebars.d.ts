/** Handlebars without its loader for Node, which reads files; the types are those of the package. */
declare module "handlebars/dist/cjs/handlebars.js" {
  export { default } from "handlebars";
}
