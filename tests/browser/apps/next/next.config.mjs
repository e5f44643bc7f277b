/** A folder of files, which the tests serve themselves. */
export default { output: "export" };
