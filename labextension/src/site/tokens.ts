/** Name of the drive with the server's files, in paths (`server:folder/file`) and as `/server` in kernels. */
export const SERVER_DRIVE = 'server';
