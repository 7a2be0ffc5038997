"""What a file says of itself: credentials, metadata, marks of generators, signs of re-saving.

    from unmask import inspect_file

    for finding in inspect_file("photo.jpg"):  # or bytes
        print(finding.source, finding.strength, finding.text)

Nothing here uses the network, and nothing but `consistency` decodes a pixel.
"""
