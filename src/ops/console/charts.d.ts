/** The text of charts.js, as the bundler gives it. */
declare const text: string;
export default text;
